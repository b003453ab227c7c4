char target[8] = {1};
