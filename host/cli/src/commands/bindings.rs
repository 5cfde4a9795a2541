//! `vestibule bindings`: which Actions a tenant's logins run, and in which order.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};

use crate::json;
use crate::remote::shapes::{Answered, Binding};
use crate::remote::{Place, Remote};
use crate::table::Table;

/// See and change which Actions a tenant's logins run, and in which order
///
/// Actions that the server's configuration declares run before these, and are not shown.
#[derive(Debug, Args)]
pub(crate) struct Bindings {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show them in their order
    List(Where),
    /// Run exactly these Actions, in this order
    Set {
        #[command(flatten)]
        at: Where,
        /// Their names
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Run these Actions no longer
    Remove {
        #[command(flatten)]
        at: Where,
        /// Their names
        #[arg(required = true)]
        names: Vec<String>,
    },
}

#[derive(Debug, Args)]
struct Where {
    #[command(flatten)]
    place: Place,
    /// What they are run at
    #[arg(long, default_value = "post-login")]
    trigger: String,
    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

impl Where {
    fn open(&self) -> Result<(Remote, Vec<Answered<Binding>>)> {
        let remote = self.place.connect()?;
        let bindings = remote.bindings(&self.trigger)?;
        Ok((remote, bindings))
    }
}

impl Bindings {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        let (at, bindings) = match self.what {
            What::List(at) => {
                let (_, bindings) = at.open()?;
                (at, bindings)
            }
            What::Set { at, names } => {
                let (remote, bindings) = at.open()?;
                let bound = replace(&remote, &at.trigger, &bindings, &order(&bindings, &names))?;
                (at, bound)
            }
            What::Remove { at, names } => {
                let (remote, bindings) = at.open()?;
                let bound = replace(&remote, &at.trigger, &bindings, &without(&bindings, &names)?)?;
                (at, bound)
            }
        };
        if at.json {
            json::print(&bindings)?;
        } else {
            print!("{}", listed(&bindings));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn replace(
    remote: &Remote,
    trigger: &str,
    before: &[Answered<Binding>],
    order: &[(String, String)],
) -> Result<Vec<Answered<Binding>>> {
    let seen: Vec<&str> = before.iter().map(|binding| binding.id.as_str()).collect();
    remote.bind(trigger, &seen, order)
}

/// These names, each with what it is called there already.
fn order(bindings: &[Answered<Binding>], names: &[String]) -> Vec<(String, String)> {
    let called =
        |name: &String| bindings.iter().find(|binding| binding.action.name == *name).map(|binding| &binding.display_name);
    names.iter().map(|name| (name.clone(), called(name).unwrap_or(name).clone())).collect()
}

fn without(bindings: &[Answered<Binding>], names: &[String]) -> Result<Vec<(String, String)>> {
    if let Some(name) = names.iter().find(|name| !bindings.iter().any(|binding| binding.action.name == **name)) {
        bail!("{name} is not bound; `vestibule bindings list` shows what is");
    }
    let rest = bindings.iter().filter(|binding| !names.contains(&binding.action.name));
    Ok(rest.map(|binding| (binding.action.name.clone(), binding.display_name.clone())).collect())
}

fn listed(bindings: &[Answered<Binding>]) -> Table {
    let mut table = Table::default();
    table.row(["place", "action", "runs", "called"]);
    for (place, binding) in bindings.iter().enumerate() {
        let runs = binding.action.deployed_version.as_ref().map_or_else(String::new, |version| version.number.to_string());
        table.row([&(place + 1).to_string(), &binding.action.name, &runs, &binding.display_name]);
    }
    table
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bindings() -> Vec<Answered<Binding>> {
        let binding = |name: &str| json!({ "id": name, "display_name": name.to_uppercase(), "action": { "name": name } });
        serde_json::from_value(json!([binding("a"), binding("b"), binding("c")])).unwrap()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_was_bound_keeps_what_it_is_called() {
        let ordered = order(&bindings(), &names(&["c", "d", "a"]));
        let expected = [("c", "C"), ("d", "d"), ("a", "A")].map(|(name, called)| (name.to_owned(), called.to_owned()));
        assert_eq!(ordered, expected);
    }

    #[test]
    fn the_rest_stays_in_its_order_and_what_is_not_bound_is_told() {
        let rest = without(&bindings(), &names(&["b"])).unwrap();
        assert_eq!(rest.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "c"]);
        assert!(without(&bindings(), &names(&["x"])).unwrap_err().to_string().contains("x is not bound"));
    }
}
