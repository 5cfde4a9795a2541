//! `event-request`: the request that reached the identity platform.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::parts::or_default;
use crate::json::Object;

/// The country that the address was found in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Country {
    /// ISO 3166-1 alpha-2.
    pub code: Option<String>,
    /// ISO 3166-1 alpha-3.
    pub code3: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// The continent's code.
    pub continent_code: Option<String>,
}

/// The place that the address was found in, finer than its country.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The city.
    pub city_name: Option<String>,
    /// ISO 3166-2, without the country.
    pub subdivision_code: Option<String>,
    /// The subdivision's name.
    pub subdivision_name: Option<String>,
    /// A name from the time zone database.
    pub time_zone: Option<String>,
}

/// A point on the Earth (WGS 84), in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coordinates {
    /// Degrees north of the equator.
    pub latitude: f64,
    /// Degrees east of Greenwich.
    pub longitude: f64,
}

/// The request that reached the identity platform.
#[derive(Clone, Debug, Deserialize)]
#[serde(expecting = "an object")]
pub struct Request {
    /// `event-request.ip`.
    pub ip: String,
    /// `event-request.asn`.
    pub asn: Option<String>,
    /// `event-request.user-agent`.
    pub user_agent: Option<String>,
    /// `event-request.language`.
    pub language: Option<String>,
    /// `event-request.hostname`.
    pub hostname: Option<String>,
    /// `event-request.method`.
    pub method: String,
    /// `event-request.body`.
    #[serde(default, deserialize_with = "or_default")]
    pub body: Object,
    #[serde(default, deserialize_with = "or_default")]
    query: Query,
    #[serde(default, deserialize_with = "or_default")]
    geoip: GeoIp,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct GeoIp {
    city_name: Option<String>,
    continent_code: Option<String>,
    country_code: Option<String>,
    country_code3: Option<String>,
    country_name: Option<String>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    subdivision_code: Option<String>,
    subdivision_name: Option<String>,
    time_zone: Option<String>,
}

impl Request {
    /// `event-request.geo-country`.
    pub fn geo_country(&self) -> Country {
        Country {
            code: self.geoip.country_code.clone(),
            code3: self.geoip.country_code3.clone(),
            name: self.geoip.country_name.clone(),
            continent_code: self.geoip.continent_code.clone(),
        }
    }

    /// `event-request.geo-place`.
    pub fn geo_place(&self) -> Place {
        Place {
            city_name: self.geoip.city_name.clone(),
            subdivision_code: self.geoip.subdivision_code.clone(),
            subdivision_name: self.geoip.subdivision_name.clone(),
            time_zone: self.geoip.time_zone.clone(),
        }
    }

    /// `event-request.geo-coordinates`.
    pub fn geo_coordinates(&self) -> Option<Coordinates> {
        Some(Coordinates { latitude: self.geoip.latitude?, longitude: self.geoip.longitude? })
    }

    /// `event-request.query`: sorted by name; a parameter that was sent more than once stands more
    /// than once.
    pub fn query(&self) -> &[(String, String)] {
        &self.query.0
    }
}

/// Parameters of a query: each a string or, where it was sent more than once, an array of strings.
#[derive(Clone, Debug, Default)]
struct Query(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Query {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parameters;

        impl<'de> Visitor<'de> for Parameters {
            type Value = Query;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of parameters")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Query, A::Error> {
                let mut parameters = Vec::new();
                while let Some((name, OneOrMore(values))) = map.next_entry::<String, OneOrMore>()? {
                    parameters.extend(values.into_iter().map(|value| (name.clone(), value)));
                }
                parameters.sort_by(|a, b| a.0.cmp(&b.0));
                Ok(Query(parameters))
            }
        }

        deserializer.deserialize_map(Parameters)
    }
}

struct OneOrMore(Vec<String>);

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values;

        impl<'de> Visitor<'de> for Values {
            type Value = OneOrMore;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of strings")
            }

            fn visit_str<E>(self, value: &str) -> Result<OneOrMore, E> {
                Ok(OneOrMore(vec![value.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<OneOrMore, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = sequence.next_element()? {
                    values.push(value);
                }
                Ok(OneOrMore(values))
            }
        }

        deserializer.deserialize_any(Values)
    }
}
