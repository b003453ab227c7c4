// Has thread-local data.
__thread int opened_variable = 4;
