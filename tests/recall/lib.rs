//! How much every index finds of real data: floors that no change may go below.
