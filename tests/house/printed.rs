//! Pages that are lists are printed from the lists, between marks; what a person wrote stays.

use std::fs;

use crate::source_tree::read;

/// Puts each part between its marks, and says whether that changed the page.
pub(crate) fn print_into(page: &str, parts: &[(&str, String)]) -> bool {
    let old = read(page);
    let mut new = old.clone();
    for (name, part) in parts {
        let (start, end) =
            (format!("<!-- printed: {name} -->\n"), format!("<!-- end of {name} -->"));
        let from = new.find(&start).unwrap_or_else(|| panic!("{page} lacks {start}")) + start.len();
        let to = new.find(&end).unwrap_or_else(|| panic!("{page} lacks {end}"));
        new.replace_range(from..to, &format!("\n{part}\n"));
    }
    if new != old {
        fs::write(page, &new).unwrap();
    }
    new != old
}

/// A page that had to be printed anew fails the test once, so that its change shows in a diff and
/// not at somebody else's.
pub(crate) fn fail_if_printed(pages: Vec<&str>) {
    let pages = pages.join(" and ");
    assert!(pages.is_empty(), "{pages}: was out of date and is printed anew; look, and test again");
}
