//! Words that people still write: removed from keepalived, misspelt in much-copied articles, or used in the wrong place.

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Past {
    /// The word in the file.
    pub word: &'static str,
    /// The keyword of the block it stands in; `None` is any.
    pub inside: Option<&'static str>,
    /// What to write instead, if there is such a word.
    pub instead: Option<&'static str>,
    /// What became of it.
    pub note: &'static str,
}

/// What is known of a word in a block.
pub(crate) fn of(word: &str, inside: &str) -> Option<&'static Past> {
    PAST.iter().find(|past| past.word == word && past.inside.is_none_or(|block| block == inside))
}

const fn gone(word: &'static str, note: &'static str) -> Past {
    Past { word, inside: None, instead: None, note }
}

const fn now(word: &'static str, instead: &'static str, note: &'static str) -> Past {
    Past { word, inside: None, instead: Some(instead), note }
}

#[rustfmt::skip]
static PAST: &[Past] = &[
    gone("nat_mask", "keepalived removed it; the kernel needs no mask for NAT, the line can go"),
    Past {
        word: "nb_get_retry", inside: Some("TCP_CHECK"), instead: Some("retry"),
        note: "`nb_get_retry` is an old word of HTTP_GET and SSL_GET only",
    },
    now("lvs_sync_daemon_inteface", "lvs_sync_daemon_interface", "misspelt in keepalived's own old documentation"),
    now("vvrp_script", "vrrp_script", "a common misspelling"),
    now("weigth", "weight", "a common misspelling"),
    now("lvs_id", "router_id", "its old name"),
    gone("local_address_group", "a word of the FNAT patches and of DPVS, which keepalived never had"),
    gone("laddr_group_name", "a word of the FNAT patches and of DPVS, which keepalived never had"),
    gone("daddr_group_name", "a word of DPVS, which keepalived never had"),
    gone("deny_address_group", "a word of DPVS, which keepalived never had"),
    gone("establish_timeout", "a word of DPVS, which keepalived never had"),
    gone("dpdk_interface", "a word of DPVS, which keepalived never had"),
];
