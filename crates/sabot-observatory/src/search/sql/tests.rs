//! Values cannot get out of where they stand.

use super::literal;

#[test]
fn a_literal_is_one_token_whatever_it_holds() {
    assert_eq!(literal("a'b''c\\"), "'a''b''''c\\'");
}
