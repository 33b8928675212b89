//! Values of flags that have a syntax of their own.

use std::path::PathBuf;
use std::str::FromStr;

/// `--env KEY=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvVar(pub String, pub String);

impl FromStr for EnvVar {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok(Self(key.to_string(), value.to_string())),
            _ => Err("expected KEY=VALUE".to_string()),
        }
    }
}

/// `--also NAME=FILE.wasm[ ARG...]`. Arguments are separated by blanks; there is no quoting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Also {
    /// Name of the process.
    pub name: String,
    /// Its module.
    pub module: PathBuf,
    /// Its arguments, without `argv[0]`.
    pub args: Vec<String>,
}

impl FromStr for Also {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected NAME=FILE.wasm, then arguments if any, separated by blanks".to_string();
        let (name, command) = text.split_once('=').ok_or_else(expected)?;
        let mut words = command.split_whitespace().map(str::to_string);
        let module = words.next().ok_or_else(expected)?;
        if name.is_empty() {
            return Err(expected());
        }
        Ok(Self { name: name.to_string(), module: module.into(), args: words.collect() })
    }
}

/// `--dir HOST:GUEST[:ro]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirImport {
    /// Directory or file of this machine.
    pub host: PathBuf,
    /// Where it stands in the guest: path below the root, without a leading slash; empty for the root itself.
    pub guest: String,
    /// The name under which programs find it preopened, beside the root: the guest's path where that was given without a
    /// leading slash.
    pub preopen: Option<String>,
    /// Whether guests may not change it.
    pub read_only: bool,
}

impl FromStr for DirImport {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (rest, read_only) = match text.strip_suffix(":ro") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let (host, guest) = rest.rsplit_once(':').ok_or("expected HOST:GUEST or HOST:GUEST:ro")?;
        // Wasmtime separates the two with `::`.
        let host = host.strip_suffix(':').unwrap_or(host);
        if host.is_empty() {
            return Err("the host's path is empty".to_string());
        }
        if guest.is_empty() {
            return Err("the guest's path is empty: '/' is its root, '.' its root under that name".to_string());
        }
        if guest == "rw" {
            return Err("there is no ':rw': what is imported can be changed unless ':ro' is said".to_string());
        }
        let preopen = (!guest.starts_with('/')).then(|| guest.to_string());
        let parts: Vec<&str> = guest.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if parts.contains(&"..") {
            return Err(format!("the guest's path '{guest}' must not contain '..'"));
        }
        Ok(Self { host: host.into(), guest: parts.join("/"), preopen, read_only })
    }
}

/// `--limit NAME=VALUE`, the value with an optional binary suffix K, M or G.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitSetting {
    /// Name of the limit. Whether it exists is checked when the limits are put together.
    pub name: String,
    /// Its value.
    pub value: u64,
}

impl FromStr for LimitSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
        let (digits, shift) = match value.as_bytes().last() {
            Some(b'K' | b'k') => (&value[..value.len() - 1], 10),
            Some(b'M' | b'm') => (&value[..value.len() - 1], 20),
            Some(b'G' | b'g') => (&value[..value.len() - 1], 30),
            _ => (value, 0),
        };
        let number: u64 =
            digits.parse().map_err(|_| format!("'{value}' is not a number (K, M and G may follow one)"))?;
        let value = number.checked_mul(1 << shift).ok_or_else(|| format!("'{value}' is too large"))?;
        Ok(Self { name: name.to_string(), value })
    }
}

/// One address of `--nodes`: a host name or IP address, and a UDP port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddr {
    /// The whole text, as it is resolved when a node starts.
    pub text: String,
    /// The port.
    pub port: u16,
}

impl FromStr for PeerAddr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("'{text}' is not HOST:PORT");
        let (host, port) = text.rsplit_once(':').ok_or_else(expected)?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(expected)?;
        let bracketed = host.starts_with('[') && host.ends_with(']');
        if host.is_empty() || (host.contains(':') && !bracketed) || host.contains(char::is_whitespace) {
            return Err(expected());
        }
        Ok(Self { text: text.to_string(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories() {
        let parse = |text: &str| text.parse::<DirImport>();
        assert_eq!(
            parse("./www:/srv//www/:ro"),
            Ok(DirImport { host: "./www".into(), guest: "srv/www".into(), preopen: None, read_only: true })
        );
        let import = |host: &str, guest: &str, preopen: Option<&str>| {
            let preopen = preopen.map(String::from);
            Ok(DirImport { host: host.into(), guest: guest.into(), preopen, read_only: false })
        };
        assert_eq!(parse("a:b:/"), import("a:b", "", None));
        assert_eq!(parse("a:."), import("a", "", Some(".")));
        assert_eq!(parse("a::./data/"), import("a", "data", Some("./data/")));
        for text in ["www", "www:", ":/x", "a:../x", "a:/x/../y", "a:/x:rw"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn limits_have_suffixes() {
        let value = |text: &str| text.parse::<LimitSetting>().map(|limit| limit.value);
        assert_eq!(value("a=7"), Ok(7));
        assert_eq!(value("a=64K"), Ok(65536));
        assert_eq!(value("a=1G"), Ok(1 << 30));
        for text in ["a", "a=", "a=K", "a=-1", "a=99999999999G"] {
            assert!(value(text).is_err(), "{text}");
        }
    }

    #[test]
    fn more_processes() {
        assert_eq!(
            "kv=dir/kv.wasm --port  6379".parse(),
            Ok(Also { name: "kv".into(), module: "dir/kv.wasm".into(), args: vec!["--port".into(), "6379".into()] })
        );
        assert!("kv".parse::<Also>().is_err());
        assert!("kv= ".parse::<Also>().is_err());
        assert!("=kv.wasm".parse::<Also>().is_err());
    }

    #[test]
    fn peers() {
        for text in ["a:1", "10.0.0.1:7000", "[::1]:7000"] {
            assert!(text.parse::<PeerAddr>().is_ok(), "{text}");
        }
        for text in ["a", "a:0", ":1", "::1:7000", "a b:1", "a:x"] {
            assert!(text.parse::<PeerAddr>().is_err(), "{text}");
        }
    }
}
