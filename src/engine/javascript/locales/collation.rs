//! The order of texts, by ICU.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use boa_engine::{Context, JsArgs, JsData, JsNativeError, JsResult, JsValue};
use boa_gc::{Finalize, Trace};
use icu_collator::options::{AlternateHandling, CaseLevel, CollatorOptions, Strength};
use icu_collator::preferences::{CollationCaseFirst, CollationNumericOrdering};
use icu_collator::{CollatorBorrowed, CollatorPreferences};

/// The collators used so far, by the code of their settings. There are at most [`MAX_CODE`] codes.
#[derive(Default, Trace, Finalize, JsData)]
pub(super) struct Collators(#[unsafe_ignore_trace] Rc<RefCell<BTreeMap<u32, CollatorBorrowed<'static>>>>);

const MAX_CODE: u32 = 64;
/// The code of the order without options.
const PLAIN_CODE: u32 = 3;

/// Compares two texts: -1 or 1 where either comes first, 0 where neither does; the third argument is the code of the
/// settings.
pub(super) fn collate(_this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let code = args.get_or_undefined(2).to_u32(context)?;
    let units = |place: usize| -> Vec<u16> {
        args.get_or_undefined(place).as_string().map(|text| text.iter().collect()).unwrap_or_default()
    };
    let (left, right) = (units(0), units(1));
    let collators = context.get_data::<Collators>().map(|collators| Rc::clone(&collators.0)).unwrap_or_default();
    let mut collators = collators.borrow_mut();
    if let Some(collator) = collators.get(&code) {
        return Ok(JsValue::from(collator.compare_utf16(&left, &right) as i32));
    }
    let collator = collator(code).ok_or_else(|| JsNativeError::range().with_message("there is no such order"))?;
    let order = collator.compare_utf16(&left, &right) as i32;
    collators.insert(code, collator);
    Ok(JsValue::from(order))
}

/// Returns the collator of `localeCompare` without options.
pub(in super::super) fn plain_collator() -> Option<CollatorBorrowed<'static>> {
    collator(PLAIN_CODE)
}

/// Returns the collator with the settings of `code`: two bits for the sensitivity, a bit for numbers by value, two for
/// the case that comes first, a bit for leaving out punctuation.
fn collator(code: u32) -> Option<CollatorBorrowed<'static>> {
    if code >= MAX_CODE {
        return None;
    }
    let mut options = CollatorOptions::default();
    options.strength = Some(match code & 3 {
        0 | 2 => Strength::Primary,
        1 => Strength::Secondary,
        _ => Strength::Tertiary,
    });
    options.case_level = Some(if code & 3 == 2 { CaseLevel::On } else { CaseLevel::Off });
    let shifted = code & 32 != 0;
    options.alternate_handling =
        Some(if shifted { AlternateHandling::Shifted } else { AlternateHandling::NonIgnorable });
    let mut preferences = CollatorPreferences::default();
    let is_numeric = code & 4 != 0;
    preferences.numeric_ordering =
        Some(if is_numeric { CollationNumericOrdering::True } else { CollationNumericOrdering::False });
    preferences.case_first = Some(match (code >> 3) & 3 {
        1 => CollationCaseFirst::Upper,
        2 => CollationCaseFirst::Lower,
        _ => CollationCaseFirst::False,
    });
    CollatorBorrowed::try_new(preferences, options).ok()
}
