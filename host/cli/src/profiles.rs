//! Profiles: where a tenant's server is, and who this command is there. One file in the user's
//! configuration folder, for this user's eyes alone.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{ErrorKind, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, Result, anyhow, bail};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt as _, OpenOptions, OpenOptionsExt as _};
use etcetera::BaseStrategy as _;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use vestibule::model::TenantId;
use zeroize::Zeroizing;

use crate::input;

/// Another folder than the platform's: for tests, and for who keeps several.
const FOLDER: &str = "VESTIBULE_CONFIG_DIR";
const FILE: &str = "profiles.toml";

/// Where a tenant's server is, and who this command is there.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// The tenant's host.
    pub(crate) url: ServerUrl,
    /// A client of the tenant's.
    pub(crate) client_id: String,
    /// The client's secret.
    pub(crate) client_secret: Zeroizing<String>,
    /// A certificate authority in PEM, the only one that is trusted there; those of the system
    /// where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<PathBuf>,
}

/// The origin of a server: https, or http where it is this machine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ServerUrl(Url);

impl ServerUrl {
    /// An address below it; each part is one word of the path, whatever stands in it.
    pub(crate) fn at(&self, parts: &[&str]) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(parts);
        }
        url
    }

    /// What its tokens are for.
    pub(crate) fn audience(&self) -> String {
        format!("{self}/api/v2/")
    }

    /// Whether nothing is encrypted on the way.
    pub(crate) fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }
}

impl FromStr for ServerUrl {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let url = Url::parse(text).map_err(|error| anyhow!("{error}; write for instance https://acme.example.com"))?;
        let is_origin = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if !is_origin || !url.username().is_empty() || url.password().is_some() {
            bail!(
                "a server's URL has a host, and a port where it isn't the usual one, and nothing else: https://acme.example.com"
            );
        }
        let host = url.host_str().unwrap_or_default();
        let is_here =
            host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if is_here => Ok(Self(url)),
            "http" => bail!("a secret is sent to {host}, so it has to be https; http is for this machine alone"),
            scheme => bail!("{scheme} is not https"),
        }
    }
}

impl TryFrom<String> for ServerUrl {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<ServerUrl> for String {
    fn from(url: ServerUrl) -> Self {
        url.to_string()
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// The profiles of a user, each by the id of its tenant.
pub(crate) struct Profiles {
    folder: PathBuf,
    pub(crate) all: BTreeMap<TenantName, Profile>,
}

/// A tenant's id, which orders and names profiles.
pub(crate) type TenantName = String;

impl Profiles {
    /// Those of this user.
    pub(crate) fn read() -> Result<Self> {
        Self::of(match std::env::var_os(FOLDER) {
            Some(folder) => folder.into(),
            None => etcetera::choose_base_strategy().context("this user has no home folder")?.config_dir().join("vestibule"),
        })
    }

    /// Those of a folder, which need not be there.
    fn of(folder: PathBuf) -> Result<Self> {
        let file = folder.join(FILE);
        let all = match Dir::open_ambient_dir(&folder, ambient_authority()).and_then(|folder| readable(&folder)) {
            Ok((_, mode)) if mode & 0o077 != 0 => {
                bail!("{} holds secrets, and others can read it; `chmod 600` it, and change the secrets", file.display())
            }
            Ok((text, _)) => input::secretive(&text)
                .with_context(|| format!("can't read {}; mend it, or remove it and add its profiles again", file.display()))?,
            Err(error) if error.kind() == ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error).with_context(|| format!("can't read {}", file.display())),
        };
        Ok(Self { folder, all })
    }

    /// That of a tenant.
    pub(crate) fn get(&self, tenant: &TenantId) -> Result<&Profile> {
        self.all.get(tenant.as_str()).ok_or_else(|| {
            let known: Vec<&str> = self.all.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "there is none yet".to_owned() } else { format!("there are: {}", known.join(", ")) };
            anyhow!(
                "there is no profile {tenant} ({known}); add it with `vestibule profile add {tenant} --url https://HOST --client-id ID`"
            )
        })
    }

    /// Writes them: to another file first, so that a crash leaves the one or the other.
    pub(crate) fn write(&self) -> Result<()> {
        let text = Zeroizing::new(toml::to_string(&self.all)?);
        self.replace(&text).with_context(|| format!("can't write {}", self.folder.join(FILE).display()))
    }

    fn replace(&self, text: &str) -> std::io::Result<()> {
        use std::os::unix::fs::DirBuilderExt as _;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let folder = Dir::open_ambient_dir(&self.folder, ambient_authority())?;
        let new = format!("{FILE}.new");
        // One that a crash has left is anybody's, as far as we know.
        match folder.remove_file(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = folder.open_with(&new, OpenOptions::new().write(true).create_new(true).mode(0o600))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        folder.rename(&new, &folder, FILE)
    }

    /// Where they are.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join(FILE)
    }
}

fn readable(folder: &Dir) -> std::io::Result<(Zeroizing<String>, u32)> {
    let mode = folder.metadata(Path::new(FILE))?.mode();
    Ok((Zeroizing::new(folder.read_to_string(FILE)?), mode))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn profile() -> Profile {
        Profile {
            url: "https://acme.example.com".parse().unwrap(),
            client_id: "deployer".into(),
            client_secret: Zeroizing::new("hunter2".into()),
            ca: None,
        }
    }

    #[test]
    fn a_servers_url_is_an_origin_and_encrypted_unless_it_is_this_machine() {
        for (text, shown) in [
            ("https://acme.example.com", "https://acme.example.com"),
            ("https://acme.example.com/", "https://acme.example.com"),
            ("https://acme.example.com:8443", "https://acme.example.com:8443"),
            ("http://localhost:8180", "http://localhost:8180"),
            ("http://127.0.0.1:8180", "http://127.0.0.1:8180"),
            ("http://[::1]:8180", "http://[::1]:8180"),
        ] {
            assert_eq!(text.parse::<ServerUrl>().unwrap().to_string(), shown);
        }
        for (text, words) in [
            ("acme.example.com", "write for instance https://"),
            ("http://acme.example.com", "http is for this machine alone"),
            ("http://localhost.example.com", "http is for this machine alone"),
            ("https://acme.example.com/api", "and nothing else"),
            ("https://me:secret@acme.example.com", "and nothing else"),
            ("ftp://acme.example.com", "is not https"),
        ] {
            let error = text.parse::<ServerUrl>().unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn a_part_of_a_path_stays_one_part() {
        let url: ServerUrl = "https://acme.example.com".parse().unwrap();
        assert_eq!(url.at(&["api", "v2", "a/../b?c"]).as_str(), "https://acme.example.com/api/v2/a%2F..%2Fb%3Fc");
        assert_eq!(url.audience(), "https://acme.example.com/api/v2/");
    }

    #[test]
    fn profiles_are_kept_for_this_user_alone() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("config/vestibule");
        let mut profiles = Profiles::of(folder.clone()).unwrap();
        assert!(profiles.all.is_empty());
        let missing = profiles.get(&"acme".parse().unwrap()).err().unwrap().to_string();
        assert!(missing.contains("there is none yet") && missing.contains("vestibule profile add acme"), "{missing}");
        profiles.all.insert("acme".into(), profile());
        profiles.write().unwrap();
        profiles.write().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&profiles.file())), (0o700, 0o600));
        let again = Profiles::of(folder).unwrap();
        let found = again.get(&"acme".parse().unwrap()).unwrap();
        assert_eq!((found.client_id.as_str(), found.client_secret.as_str()), ("deployer", "hunter2"));
    }

    #[test]
    fn a_file_that_others_can_read_or_that_is_wrong_is_told_without_its_secrets() {
        let home = tempfile::tempdir().unwrap();
        let mut profiles = Profiles::of(home.path().to_owned()).unwrap();
        profiles.all.insert("acme".into(), profile());
        profiles.write().unwrap();
        let file = profiles.file();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = Profiles::of(home.path().to_owned()).err().unwrap().to_string();
        assert!(error.contains("chmod 600"), "{error}");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let text = std::fs::read_to_string(&file).unwrap().replace("https://", "http://");
        std::fs::write(&file, text).unwrap();
        let error = format!("{:#}", Profiles::of(home.path().to_owned()).err().unwrap());
        assert!(error.ends_with("add its profiles again: line 2 is wrong"), "{error}");
    }
}
