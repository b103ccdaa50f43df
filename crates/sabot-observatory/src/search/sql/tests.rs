//! Values and conditions cannot get out of where they stand.

use super::{check_nesting, literal};

#[test]
fn a_literal_is_one_token_whatever_it_holds() {
    assert_eq!(literal("a'b''c\\"), "'a''b''''c\\'");
}

#[test]
fn a_condition_must_not_close_what_it_did_not_open() {
    for fine in [
        "a = 1",
        "(a = 1) OR (b = ')')",
        "\"odd)column\" = 'it''s )'",
        "a = 1 -- )",
        "a /* ) */ = (1)",
        "a = '",
        "müde = '('",
    ] {
        assert_eq!(check_nesting(fine), Ok(()), "{fine}");
    }
    for wrong in ["true) OR (true", ")", "a = '(' )", "a = 1 -- (\n)", "'it''s' = x)"] {
        assert!(check_nesting(wrong).is_err(), "{wrong}");
    }
}
