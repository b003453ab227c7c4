int counter_a;
