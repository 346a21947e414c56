//! Where a connection's requests go: the endpoint's URL or where that leads, and what their heads say.

use core::time::Duration;

use crate::auth::{Signed, sha256};
use crate::base::{Random, limits};
use crate::http::{HttpError, Url, write_request};
use crate::mail::EndpointPlan;
use crate::send::lane::{Lane, State};
use crate::send::shared::Shared;
use crate::wire::headers::{RETRY_ATTEMPT, of_message};

/// Where the endpoint has sent us.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// In place of the configured URL, for as long as the connection there holds.
    redirected: Option<Url>,
    /// Redirects followed for the request in hand.
    redirects: u32,
}

impl Way {
    /// A new attempt begins, over the connection there is, if there is one.
    pub(super) fn begin(&mut self, connected: bool) {
        self.redirects = 0;
        if !connected {
            self.redirected = None;
        }
    }

    pub(super) fn is_redirected(&self) -> bool {
        self.redirected.is_some()
    }

    pub(super) fn url<'p>(&'p self, plan: &'p EndpointPlan) -> &'p Url {
        self.redirected.as_ref().unwrap_or(&plan.url)
    }

    /// Requests go to the host that the configuration names, so they may carry what is meant for it alone.
    fn is_home(&self, plan: &EndpointPlan) -> bool {
        self.redirected.as_ref().is_none_or(|url| same_host(url, &plan.url))
    }
}

fn same_host(a: &Url, b: &Url) -> bool {
    a.authority() == b.authority() && a.is_tls() == b.is_tls()
}

impl Lane {
    /// Head and body as they go out. Only here is the whole of the body known, which a signature covers.
    pub(super) fn write_wire(&mut self, shared: &mut Shared<'_>) -> Result<(), HttpError> {
        let plan = shared.plan;
        let transport = &plan.transport;
        let url = self.way.url(plan);
        let home = self.way.is_home(plan);
        let private = transport.private.iter().filter(|_| home);
        let mut headers: Vec<(&str, &str)> = of_message(self.request.body.message()).to_vec();
        for (name, value) in plan.headers.iter().chain(private) {
            headers.push((name, value));
        }
        let attempts = self.attempts.to_string();
        if self.attempts > 0 {
            headers.push((RETRY_ATTEMPT, &attempts));
        }
        headers.extend(transport.proxies.authorization(url).map(|value| (PROXY, value)));
        let host = url.authority();
        let signature = transport.signer.as_ref().filter(|_| home).map(|signer| {
            let (length, elements) = self.request.body.pieces();
            let content_type = headers.iter().find(|(name, _)| *name == CONTENT_TYPE);
            signer.headers(&Signed {
                method: METHOD,
                target: &url.target,
                host: &host,
                content_type: content_type.map_or("", |(_, value)| value),
                body: sha256([length.as_slice(), elements]),
                time: shared.now.timestamp,
            })
        });
        for (name, value) in signature.iter().flatten() {
            headers.push((name, value));
        }
        let length = Some(self.request.body.block_len());
        self.wire.clear();
        let target = transport.proxies.target(url);
        write_request(&mut self.wire, METHOD, &target, &host, &headers, length)?;
        self.request.body.write_to(&mut self.wire);
        Ok(())
    }

    pub(super) fn open(&mut self, shared: &mut Shared<'_>) {
        let plan = shared.plan;
        let url = self.way.url(plan);
        if !matches!(url.scheme.as_str(), "http" | "https") {
            let text = format!("unsupported protocol scheme {:?}", url.scheme);
            return self.retry(None, text, shared);
        }
        match plan.transport.proxies.route(url, plan.tls) {
            Ok(mut route) => {
                if plan.transport.spread {
                    route.first = shared.random.below(1 << 16) as u32;
                }
                self.reused = false;
                self.state = State::Opening;
                self.conn = Some(shared.dialer.open(self.owner, route));
            }
            Err(error) => self.retry(None, error.to_string(), shared),
        }
    }

    /// Where the answer sends this request, if it is to be followed: with the method and the body as they are, which only
    /// two statuses allow. After the others Go's client would ask with GET and without samples, and take the answer to
    /// that for an acknowledgement.
    // spec: RFC 9110 §15.4.8, §15.4.9
    pub(super) fn redirect_to(&self, plan: &EndpointPlan) -> Option<String> {
        let head = self.reader.head()?;
        let follows = plan.transport.follow_redirects && matches!(head.status, 307 | 308);
        if follows { head.header("location").map(str::to_owned) } else { None }
    }

    pub(super) fn follow(&mut self, location: &str, shared: &mut Shared<'_>) {
        self.way.redirects += 1;
        if self.way.redirects > limits::REDIRECTS {
            self.drop_conn(shared);
            return self
                .hold_back(format!("stopped after {} redirects", limits::REDIRECTS), shared);
        }
        let from = self.way.url(shared.plan).clone();
        match from.join(location) {
            Ok(to) => {
                if !same_host(&to, &from) {
                    self.drop_conn(shared);
                }
                self.way.redirected = Some(to);
                self.begin(shared);
            }
            Err(error) => {
                self.drop_conn(shared);
                self.hold_back(format!("redirect to {location:?}: {error}"), shared);
            }
        }
    }
}

const CONTENT_TYPE: &str = "Content-Type";
// spec: remote-write 1.0 and 2.0, protocol: requests are POSTs
const METHOD: &str = "POST";
/// The header that proxies take credentials in.
const PROXY: &str = "Proxy-Authorization";

/// Within five hundredths of `wait`: a fleet does not come back in step, and successive waits still grow.
pub(super) fn jittered(wait: Duration, random: &mut Random) -> Duration {
    let tenth = (wait.as_nanos() / 10) as u64;
    wait - Duration::from_nanos(tenth / 2) + Duration::from_nanos(random.below(tenth.max(1)))
}
