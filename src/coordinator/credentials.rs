//! Credentials that end, as the coordinator knows them: who is asked for them, and what was had.

use core::time::Duration;
use std::collections::BTreeMap;

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::client::{Credential, Keeper, News, Outcome, Source};
use crate::coordinator::assignment::{ApplyError, Made, USER_AGENT};
use crate::telemetry::{CredentialState, Logger};

const SOURCE: &str = "tokens";
/// Said of a job or an endpoint that has to do without.
pub const WITHHELD: &str = "A secret or a credential is not to be had";
/// How long jobs and endpoints wait for their first credential, so that none begins with a failure.
const FIRST: Duration = Duration::from_secs(2);

/// Credentials by [`Source::key`], or why there is none.
pub type Held = BTreeMap<u64, Result<Credential, String>>;

/// The keeper's thread starts with the first source.
#[derive(Debug)]
pub struct Credentials {
    logger: Logger,
    keeper: Option<Keeper>,
    sender: Sender<Outcome>,
    pub outcomes: Receiver<Outcome>,
    wanted: Vec<u64>,
    held: Held,
    failures: u64,
}

impl Credentials {
    pub fn new(logger: Logger) -> Credentials {
        let (sender, outcomes) = unbounded();
        let (wanted, held) = (Vec::new(), Held::new());
        Credentials { logger, keeper: None, sender, outcomes, wanted, held, failures: 0 }
    }

    /// What `make` makes of the credentials held, made again if it wants others and those come soon.
    pub fn made(
        &mut self,
        make: impl Fn(&Held) -> Result<Made, ApplyError>,
    ) -> Result<Made, ApplyError> {
        let made = make(&self.held)?;
        if self.want(made.sources.clone()) { make(&self.held) } else { Ok(made) }
    }

    /// The sources in force. Waits a little for those that are new; true if something of theirs came.
    fn want(&mut self, sources: Vec<Source>) -> bool {
        let keys: Vec<u64> = sources.iter().map(Source::key).collect();
        if keys == self.wanted {
            return false;
        }
        self.wanted = keys;
        let wanted = &self.wanted;
        self.held.retain(|key, _| wanted.contains(key));
        if self.keeper.is_none() {
            match Keeper::start(USER_AGENT, self.sender.clone()) {
                Ok(keeper) => self.keeper = Some(keeper),
                Err(error) => {
                    let why = format!("cannot start the thread for tokens: {error}");
                    self.held.extend(wanted.iter().map(|key| (*key, Err(why.clone()))));
                    self.logger.error(SOURCE, &why, &[]);
                    // Tried again with the next configuration.
                    self.wanted.clear();
                    return true;
                }
            }
        }
        if let Some(keeper) = &self.keeper {
            keeper.want(sources);
        }
        let mut came = false;
        let late = crossbeam_channel::after(FIRST);
        while self.wanted.iter().any(|key| !self.held.contains_key(key)) {
            crossbeam_channel::select! {
                recv(self.outcomes) -> outcome => match outcome {
                    Ok(outcome) => came |= self.heard(outcome),
                    Err(_) => return came,
                },
                recv(late) -> _ => return came,
            }
        }
        came
    }

    pub fn state(&self) -> CredentialState {
        let good = self.held.values().filter(|held| held.is_ok()).count() as u64;
        let sources = self.wanted.len() as u64;
        CredentialState { sources, missing: sources.saturating_sub(good), failures: self.failures }
    }

    /// True if something has changed for jobs or endpoints.
    pub fn heard(&mut self, outcome: Outcome) -> bool {
        let Outcome { key, news } = outcome;
        if !self.wanted.contains(&key) {
            return false;
        }
        match news {
            News::Got(credential) => {
                let before = self.held.insert(key, Ok(credential.clone()));
                if matches!(before, Some(Err(_))) {
                    self.logger.info(SOURCE, "Credentials are to be had again", &[]);
                }
                before != Some(Ok(credential))
            }
            News::Failed { why, ended } => {
                self.failures += 1;
                let had = matches!(self.held.get(&key), Some(Ok(_)));
                let told = matches!(self.held.get(&key), Some(Err(before)) if *before == why);
                if !told {
                    self.logger.error(SOURCE, "No credentials", &[("err", why.clone())]);
                }
                if had && !ended {
                    return false;
                }
                self.held.insert(key, Err(why));
                !told
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Level;
    use crate::telemetry::LogFormat;

    fn credentials() -> Credentials {
        let mut made = Credentials::new(Logger::new(Level::Error, LogFormat::Logfmt));
        made.wanted = vec![7];
        made
    }

    #[test]
    fn a_failure_takes_a_credential_away_only_when_that_has_ended() {
        let mut all = credentials();
        let got = |text: &str| News::Got(Credential::Header(text.to_owned()));
        let failed = |ended| News::Failed { why: "no".to_owned(), ended };
        for (news, changes, held) in [
            (failed(true), true, None),
            (failed(true), false, None),
            (got("a"), true, Some("a")),
            (got("a"), false, Some("a")),
            (failed(false), false, Some("a")),
            (got("b"), true, Some("b")),
            (failed(true), true, None),
        ] {
            assert_eq!(all.heard(Outcome { key: 7, news: news.clone() }), changes, "{news:?}");
            let wanted =
                held.map_or(Err("no".to_owned()), |text| Ok(Credential::Header(text.to_owned())));
            assert_eq!(all.held.get(&7), Some(&wanted), "{news:?}");
        }
        assert_eq!(all.state(), CredentialState { sources: 1, missing: 1, failures: 4 });
        let late = Outcome { key: 8, news: got("c") };
        assert!(!all.heard(late), "of a source that is not wanted any more");
    }
}
