//! Which resources of a collection a list shows: filters, then one page (APISIX §1.3).

use crate::resources::view::Shown;
use crate::wire::problem::Problem;
use crate::wire::query::Query;
use model::resource::Kind;
use model::upstream::id_text;
use regex::{Regex, RegexBuilder};

/// Largest compiled regular expression of a filter, bytes.
const REGEX_SIZE_LIMIT_BYTES: usize = 1 << 20;

/// The part of a list that is shown; without both arguments, all of it.
#[derive(Debug)]
pub(crate) struct Paging {
    page: Option<(usize, usize)>,
}

impl Paging {
    /// Reads `page` and `page_size`; both are needed.
    pub(crate) fn of(query: &Query) -> Result<Paging, Problem> {
        let (Some(page), Some(size)) = (query.get("page"), query.get("page_size")) else {
            return Ok(Paging { page: None });
        };
        let size = size.parse::<usize>().ok().filter(|size| (10..=500).contains(size));
        let size =
            size.ok_or_else(|| Problem::InvalidText("page_size must be between 10 and 500".to_owned()))?;
        Ok(Paging { page: Some((page.parse().unwrap_or(1).max(1), size)) })
    }

    /// Cuts the page out; one past the end is empty.
    pub(crate) fn page<'a, T>(&self, all: &'a [T]) -> &'a [T] {
        let Some((page, size)) = self.page else { return all };
        let start = (page - 1).saturating_mul(size).min(all.len());
        let end = start.saturating_add(size).min(all.len());
        all.get(start..end).unwrap_or_default()
    }
}

/// Conditions that all must hold.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    name: Option<Regex>,
    uri: Option<Regex>,
    label: Option<String>,
    fields: Vec<(&'static str, String)>,
}

impl Filters {
    /// Reads `name`, `label`, `uri` and, for routes, `filter`.
    pub(crate) fn of(kind: Kind, query: &Query) -> Result<Filters, Problem> {
        let regex = |argument: &str| query.get(argument).map(|text| compile(argument, text)).transpose();
        let mut filters = Filters {
            name: regex("name")?,
            uri: regex("uri")?,
            label: query.get("label").map(str::to_owned),
            fields: Vec::new(),
        };
        if let Some(filter) = query.get("filter").filter(|_| kind == Kind::Route) {
            let wanted = Query::parse(filter);
            for field in ["service_id", "upstream_id"] {
                filters.fields.extend(wanted.get(field).map(|id| (field, id.to_owned())));
            }
        }
        Ok(filters)
    }

    /// Keeps what all conditions hold for, in its order.
    pub(crate) fn select(&self, all: Vec<Shown>) -> Vec<Shown> {
        all.into_iter().filter(|shown| self.holds(shown)).collect()
    }

    fn holds(&self, shown: &Shown) -> bool {
        let value = &shown.value;
        let text = |key: &str| value.get(key).and_then(serde_json::Value::as_str);
        let uris = model::route::texts(value, "uris");
        let mut uris = text("uri").into_iter().chain(uris.iter().map(String::as_str));
        let labels = value.get("labels").and_then(serde_json::Value::as_object);
        self.name.as_ref().is_none_or(|regex| text("name").is_some_and(|name| regex.is_match(name)))
            && self.uri.as_ref().is_none_or(|regex| uris.any(|uri| regex.is_match(uri)))
            && self.label.as_ref().is_none_or(|key| labels.is_some_and(|labels| labels.contains_key(key)))
            && self
                .fields
                .iter()
                .all(|(key, id)| value.get(key).is_some_and(|found| id_text(Some(found)) == *id))
    }
}

fn compile(argument: &str, text: &str) -> Result<Regex, Problem> {
    RegexBuilder::new(text)
        .size_limit(REGEX_SIZE_LIMIT_BYTES)
        .build()
        .map_err(|_| Problem::Invalid(format!("invalid argument {argument}: not a regular expression")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paging(query: &str) -> Result<Paging, Problem> {
        Paging::of(&Query::parse(query))
    }

    #[test]
    fn a_page_is_cut_only_when_both_arguments_are_there() {
        let all: Vec<u32> = (0..25).collect();
        assert_eq!(paging("page=2").unwrap().page(&all).len(), 25);
        assert_eq!(paging("page_size=10").unwrap().page(&all).len(), 25);
        assert_eq!(paging("page=2&page_size=10").unwrap().page(&all), &all[10..20]);
        assert_eq!(paging("page=3&page_size=10").unwrap().page(&all), &all[20..]);
        assert_eq!(paging("page=4&page_size=10").unwrap().page(&all), &[] as &[u32]);
        assert_eq!(paging("page=99999999999999999999&page_size=10").unwrap().page(&all), &all[..10]);
        assert_eq!(paging("page=9999999999999999999&page_size=500").unwrap().page(&all), &[] as &[u32]);
        assert_eq!(paging("page=-1&page_size=10").unwrap().page(&all), &all[..10]);
    }

    #[test]
    fn a_page_has_10_to_500_entries() {
        for size in ["9", "501", "x", ""] {
            let problem = paging(&format!("page=1&page_size={size}")).unwrap_err();
            assert_eq!(problem.to_string(), "page_size must be between 10 and 500");
        }
    }
}
