// Compiled so that there is a target that the precompiled headers of the tests belong to.
