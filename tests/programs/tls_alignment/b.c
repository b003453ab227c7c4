__thread char odd[3] = {1, 2, 3};
