char block[20000] = {1};
