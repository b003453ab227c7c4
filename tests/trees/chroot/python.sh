# The tests of python itself that lean on the loader most: extension modules, foreign functions, threads, a large library. What failed is printed.
python3 -m test -v -j4 test_ctypes test_threading test_import test_ssl >log 2>&1
status=$?
grep -E '^(FAIL|ERROR): |^test_[a-z]* failed' log | sort -u
tail -n 30 log >&2
exit $status
