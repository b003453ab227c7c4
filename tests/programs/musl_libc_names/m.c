// Stands in the way under the name of a library that is part of libc.
int nobody_opens_this;
