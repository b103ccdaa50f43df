//! A table in a database: what it does on a full disk, after damage, and beside other tables.
