//! Tests of the whole: the tree's own rules, and the real server end to end.
