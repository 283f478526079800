//! Pages that are lists are printed from the lists, between marks; what a person wrote stays.

use std::fs;
use std::sync::{Mutex, PoisonError};

use crate::source_tree::read;

/// Held while a page is read and written: tests run side by side, and two may print the same page.
static PRINTING: Mutex<()> = Mutex::new(());

/// Puts each part between its marks, and says whether that changed the page.
pub(crate) fn print_into(page: &str, parts: &[(&str, String)]) -> bool {
    rewrite(page, |mut text| {
        for (name, part) in parts {
            let start = format!("<!-- printed: {name} -->\n");
            let end = format!("<!-- end of {name} -->");
            let from = text.find(&start).unwrap_or_else(|| panic!("{page} lacks {start}"));
            let from = from + start.len();
            let to = text.find(&end).unwrap_or_else(|| panic!("{page} lacks {end}"));
            text.replace_range(from..to, &format!("\n{part}\n"));
        }
        text
    })
}

/// Makes the text of a page anew, and says whether that changed it.
pub(crate) fn rewrite(page: &str, change: impl FnOnce(String) -> String) -> bool {
    let _printing = PRINTING.lock().unwrap_or_else(PoisonError::into_inner);
    let old = read(page);
    let new = change(old.clone());
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
