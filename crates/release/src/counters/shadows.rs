//! What the gateways say of the copies of live requests. Pure.

use super::Gateways;
use crate::gate::Shadowing;
use model::resource::Revision;

impl Gateways {
    /// What each gateway says of the copies with an id; one that has ended only if it has made some.
    #[must_use]
    pub(crate) fn shadows(&self, id: &str) -> Vec<Shadowing> {
        let of = |gateway: &super::Gateway| {
            let shadows = gateway.report.as_ref().map_or(&[][..], |report| &report.shadows);
            let report = shadows.iter().rev().find(|shadow| shadow.id == id).cloned();
            let asked = report.is_some() || gateway.applied < Revision::MAX;
            asked.then(|| Shadowing { gateway: gateway.instance.clone(), report })
        };
        self.gateways.iter().filter_map(of).collect()
    }
}
