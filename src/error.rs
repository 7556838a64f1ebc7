//! Errors for people to read, and the exit codes that scripts read.
