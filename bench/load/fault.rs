//! How the sink misbehaves, and when.

use std::str::FromStr;

/// One kind of misbehaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Answers this status with `Retry-After: 1` and books nothing.
    Busy(u16),
    /// Answers this many milliseconds late.
    Delay(u64),
    /// Reads requests and never answers.
    Hang,
    /// Books a request, then closes the connection in the middle of the status line.
    LostAck,
    /// Accepts no connection and closes those it has.
    Refuse,
    /// Reads a request, books nothing and resets the connection.
    Reset,
    /// Answers this status and books nothing.
    Status(u16),
}

/// A misbehaviour from one second of the sink's life to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fault {
    pub kind: Kind,
    pub from_s: f64,
    pub to_s: f64,
}

impl FromStr for Fault {
    type Err = String;

    /// `503@20..80`, `busy:429@0..9`, `refuse@20..80`, `hang@5..10`, `lost-ack@1..2`, `reset@1..2`, `delay:200@0..60`.
    fn from_str(text: &str) -> Result<Fault, String> {
        let wrong = || format!("{text:?} is no fault: want KIND@FROM..TO, such as 503@20..80");
        let (kind, span) = text.split_once('@').ok_or_else(wrong)?;
        let (from, to) = span.split_once("..").ok_or_else(wrong)?;
        let (name, number) = kind.split_once(':').unwrap_or((kind, kind));
        let kind = match name {
            "busy" => Kind::Busy(number.parse().map_err(|_| wrong())?),
            "delay" => Kind::Delay(number.parse().map_err(|_| wrong())?),
            "hang" => Kind::Hang,
            "lost-ack" => Kind::LostAck,
            "refuse" => Kind::Refuse,
            "reset" => Kind::Reset,
            _ => Kind::Status(number.parse().map_err(|_| wrong())?),
        };
        let second = |text: &str| text.parse::<f64>().map_err(|_| wrong());
        Ok(Fault { kind, from_s: second(from)?, to_s: second(to)? })
    }
}

/// The fault that holds `second` seconds into the sink's life; the first listed wins.
pub fn at(faults: &[Fault], second: f64) -> Option<Kind> {
    faults
        .iter()
        .find(|fault| fault.from_s <= second && second < fault.to_s)
        .map(|fault| fault.kind)
}

/// The next second after `second` at which a fault begins or ends.
pub fn next_change(faults: &[Fault], second: f64) -> Option<f64> {
    let edges = faults.iter().flat_map(|fault| [fault.from_s, fault.to_s]);
    edges.filter(|edge| *edge > second).min_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_and_hold_in_their_span() {
        let faults: Vec<Fault> =
            ["503@20..80", "delay:200@0..100"].iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(at(&faults, 10.0), Some(Kind::Delay(200)));
        assert_eq!(at(&faults, 20.0), Some(Kind::Status(503)));
        assert_eq!(at(&faults, 80.0), Some(Kind::Delay(200)));
        assert_eq!(at(&faults, 100.0), None);
        assert_eq!(next_change(&faults, 20.0), Some(80.0));
        for (text, kind) in [
            ("refuse@1..2", Kind::Refuse),
            ("busy:429@1..2", Kind::Busy(429)),
            ("lost-ack@1..2", Kind::LostAck),
        ] {
            assert_eq!(text.parse::<Fault>().map(|fault| fault.kind), Ok(kind));
        }
        assert!("often@1..2".parse::<Fault>().is_err() && "503".parse::<Fault>().is_err());
    }
}
