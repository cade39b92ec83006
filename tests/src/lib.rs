//! Whole-pipeline tests live in `pipeline/`; this library is empty because a package has to have one.
