//! Mail: who gets it, by which relay, and about what.

use std::time::Duration;

use super::Lowering;
use super::report::Report;
use super::values::{integer, required, seconds, switch};
use crate::model::{Alerts, Mail, MailLogin, MailSecurity, Mailbox};
use crate::tree::{Statement, Word};

/// `smtp_connect_timeout`, when nothing is said (keepalived's).
const TIMEOUT: Duration = Duration::from_secs(30);

/// Longest `smtp_connect_timeout`: a relay that takes longer is no relay.
const LONGEST: Duration = Duration::from_secs(4294);

/// What `global_defs` says about mail.
#[derive(Debug, Default)]
pub(crate) struct Said {
    server: Option<(String, Option<u16>)>,
    security: Option<MailSecurity>,
    login: Option<MailLogin>,
    from: Option<Mailbox>,
    to: Vec<Mailbox>,
    helo: Option<String>,
    timeout: Option<Duration>,
    no_faults: bool,
    /// `smtp_alert`: about everything that does not say.
    about_all: Option<bool>,
    /// `smtp_alert_vrrp`.
    about_vrrp: Option<bool>,
    /// `smtp_alert_checker`.
    about_servers: Option<bool>,
}

impl Said {
    /// Takes in one statement of `global_defs`; says whether it was one about mail.
    pub(crate) fn word(&mut self, report: &mut Report, statement: &Statement) -> bool {
        let keyword = statement.keyword();
        match keyword {
            "notification_email" => self.recipients(report, statement),
            "notification_email_from" => {
                if let Some(word) = required(report, statement, "an address") {
                    self.from = mailbox(report, word, &word.text).or(self.from.take());
                }
            }
            "smtp_server" => self.server(report, statement),
            "smtp_security" => {
                if let Some(word) = required(report, statement, "none, starttls or tls") {
                    self.security = security(report, word).or(self.security);
                }
            }
            "smtp_login" => match statement.arguments() {
                [user, password, ..] => {
                    self.login = Some(MailLogin { user: user.text.clone(), password: password.text.clone() });
                }
                _ => {
                    report
                        .complain(
                            "missing-value",
                            statement.span(),
                            "`smtp_login` needs a user and a password",
                        )
                        .because("mail is sent without a login");
                }
            },
            "smtp_helo_name" => {
                if let Some(word) = required(report, statement, "a host name") {
                    self.helo = Some(word.text.clone());
                }
            }
            "smtp_connect_timeout" => {
                if let Some(word) = required(report, statement, "seconds") {
                    self.timeout = timeout(report, word);
                }
            }
            "no_email_faults" => self.no_faults = true,
            // Mail is about real servers here, never about single checks.
            "no_checker_emails" => {
                switch(report, statement);
            }
            "smtp_alert" => self.about_all = switch(report, statement),
            "smtp_alert_vrrp" => self.about_vrrp = switch(report, statement),
            "smtp_alert_checker" => self.about_servers = switch(report, statement),
            _ => return false,
        }
        true
    }

    fn recipients(&mut self, report: &mut Report, block: &Statement) {
        if block.children().is_empty() {
            report.complain("empty-block", block.span(), "`notification_email` names nobody");
        }
        for statement in block.children() {
            let words: Vec<&str> = statement.words.iter().map(|word| word.text.as_str()).collect();
            if let Some(first) = statement.words.first() {
                self.to.extend(mailbox(report, first, &words.join(" ")));
            }
        }
    }

    fn server(&mut self, report: &mut Report, statement: &Statement) {
        let Some(host) = required(report, statement, "a host name or an address") else { return };
        let port = statement.arguments().get(1).and_then(|word| integer(report, word, 1..=65535));
        self.server = Some((host.text.clone(), port.and_then(|port| u16::try_from(port).ok())));
    }

    /// Whether mail is sent about an instance or a sync group that does not say.
    pub(crate) fn about_vrrp(&self) -> bool {
        self.about_vrrp.or(self.about_all).unwrap_or(false)
    }

    /// Whether mail is sent about a virtual server that does not say.
    pub(crate) fn about_virtual_servers(&self) -> bool {
        self.about_servers.or(self.about_all).unwrap_or(false)
    }

    /// Whether mail is sent about a real server that does not say: yes, as with keepalived.
    pub(crate) fn about_real_servers(&self) -> bool {
        self.about_servers.or(self.about_all).unwrap_or(true)
    }

    /// Whether anybody gets mail at all.
    pub(crate) fn is_wanted(&self) -> bool {
        self.server.is_some() && !self.to.is_empty()
    }
}

/// Fills in what the host knows, once all of `global_defs` was read.
pub(crate) fn finish(lowering: &mut Lowering<'_>) {
    let host = lowering.host.node_name();
    let said = &lowering.defaults.mail;
    lowering.model.snmp.alerts =
        Alerts { all: said.about_all, vrrp: said.about_vrrp, servers: said.about_servers };
    if said.to.is_empty() {
        if said.about_all == Some(true) || said.about_vrrp == Some(true) || said.about_servers == Some(true) {
            lowering
                .report
                .warn("mail-to-nobody", None, "`smtp_alert` without `notification_email`")
                .because("no mail is sent");
        }
        return;
    }
    let Some((server, port)) = said.server.clone() else {
        lowering
            .report
            .warn("mail-without-server", None, "`notification_email` without `smtp_server`")
            .because("no mail is sent");
        return;
    };
    let security = said.security.unwrap_or_default();
    if said.login.is_some() && security == MailSecurity::None {
        lowering
            .report
            .warn("login-in-the-clear", None, "`smtp_login` without `smtp_security`")
            .because("the password is readable on the way to the relay: say starttls or tls");
    }
    lowering.model.mail = Some(Mail {
        server,
        port: port.unwrap_or(security.port()),
        security,
        login: said.login.clone(),
        from: said.from.clone().unwrap_or_else(|| Mailbox {
            name: None,
            user: "keepalived".into(),
            domain: host.clone(),
        }),
        to: said.to.clone(),
        helo: said.helo.clone().unwrap_or_else(|| host.clone()),
        host,
        timeout: said.timeout.unwrap_or(TIMEOUT),
        faults: !said.no_faults,
    });
}

fn timeout(report: &mut Report, word: &Word) -> Option<Duration> {
    let timeout = seconds(report, word, Duration::ZERO..=LONGEST)?;
    if timeout.is_zero() {
        report
            .complain("must-be-positive", word.span, "`smtp_connect_timeout` must be more than 0")
            .because("1 second is used");
        return Some(Duration::from_secs(1));
    }
    Some(timeout)
}

fn security(report: &mut Report, word: &Word) -> Option<MailSecurity> {
    match word.text.as_str() {
        "none" => Some(MailSecurity::None),
        "starttls" => Some(MailSecurity::StartTls),
        "tls" => Some(MailSecurity::Tls),
        other => {
            report
                .warn("unknown-security", word.span, format!("there is no smtp_security `{other}`"))
                .because("expected none, starttls or tls; the line is ignored");
            None
        }
    }
}

/// `a@b`, `<a@b>` or `Display Name <a@b>`; a bare user is at the local host (the domain stays empty).
fn mailbox(report: &mut Report, place: &Word, text: &str) -> Option<Mailbox> {
    let found = parse(text);
    if found.is_none() {
        report
            .warn("not-an-address", place.span, format!("`{text}` is not an address for mail"))
            .because("expected user@domain or \"Name <user@domain>\"; the line is ignored");
    }
    found
}

fn parse(text: &str) -> Option<Mailbox> {
    let text = text.trim();
    let (name, address) = match text.split_once('<') {
        Some((name, rest)) => (Some(name.trim().trim_matches('"')), rest.strip_suffix('>')?),
        None => (None, text),
    };
    let (user, domain) = match address.rsplit_once('@') {
        Some((_, "")) => return None,
        Some(both) => both,
        None => (address, ""),
    };
    let is_plain = |part: &str| {
        part.chars().all(|letter| {
            !letter.is_control() && !letter.is_whitespace() && !"<>()[]\\,;:\"@".contains(letter)
        })
    };
    let name = name.filter(|name| !name.is_empty()).map(String::from);
    (!user.is_empty() && is_plain(user) && is_plain(domain)).then(|| Mailbox {
        name,
        user: user.into(),
        domain: domain.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_have_a_name_and_a_bare_user_has_no_domain() {
        let parts = |text| parse(text).map(|found| (found.name, found.user, found.domain));
        let whole = |name: Option<&str>, user: &str, domain: &str| {
            Some((name.map(String::from), user.to_owned(), domain.to_owned()))
        };
        assert_eq!(parts("a.b@c.d"), whole(None, "a.b", "c.d"));
        assert_eq!(parts("<a@b>"), whole(None, "a", "b"));
        assert_eq!(parts("On Call <a@b>"), whole(Some("On Call"), "a", "b"));
        assert_eq!(parts("root"), whole(None, "root", ""));
        for wrong in ["", "@b", "a@", "a b@c", "a@b@c", "a@b>", "Name <a@b", "a@b\r\nBcc: x"] {
            assert_eq!(parts(wrong), None, "{wrong}");
        }
    }
}
