"""The tests, packages below the root of the repository: what more than one of the folders uses is in tests.support."""
