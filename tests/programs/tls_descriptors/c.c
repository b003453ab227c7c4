__thread int others = 9;
