//! Rows in memory: what readers see while rows are taken in, and what chunks become.
