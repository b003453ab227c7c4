int of_first = 100, of_packed = 200, of_last = 300;
