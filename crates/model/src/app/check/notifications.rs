//! Who is told of a release.

use super::Errors;
use super::target::secret_reference;
use crate::address::WebAddress;
use crate::check::is_id;
use crate::policy::{Format, MAX_RECEIVERS, Place, Receiver};

pub(super) fn check(errors: &mut Errors, at: &str, receivers: &[Receiver]) {
    errors.expect(receivers.len() <= MAX_RECEIVERS, at, "must have at most 8 receivers");
    for (index, receiver) in receivers.iter().enumerate() {
        let at = format!("{at}/{index}");
        let name = format!("{at}/name");
        errors.expect(
            is_id(&receiver.name),
            &name,
            "must be 1 to 64 characters of a-z, A-Z, 0-9, -, _ and .",
        );
        let first = receivers.iter().position(|other| other.name == receiver.name);
        errors.expect(first == Some(index), &name, "another receiver has the same name");
        match &receiver.url {
            Place::Url(url) => {
                if let Err(error) = WebAddress::parse(url) {
                    errors.add(format!("{at}/url"), error.to_string());
                }
            }
            Place::Reference(reference) => secret_reference(errors, &format!("{at}/url"), reference),
        }
        if let Some(secret) = &receiver.secret {
            let at = format!("{at}/secret");
            secret_reference(errors, &at, secret);
            errors.expect(receiver.format == Format::Webhook, &at, "messages for Slack are not signed");
        }
        errors.positive_duration(&format!("{at}/timeout_ms"), receiver.timeout_ms);
        errors.expect(
            receiver.timeout_ms <= 60_000,
            &format!("{at}/timeout_ms"),
            "must be at most 1 minute (60000)",
        );
        errors.duration(&format!("{at}/give_up_after_ms"), receiver.give_up_after_ms);
    }
}
