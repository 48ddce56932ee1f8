//! Somebody with a browser: it keeps its cookie, and sends forms as its pages have them.

use std::fmt::Write as _;

use domain::Rank;
use reqwest::header::{CONTENT_TYPE, COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use reqwest::{Client, Method, RequestBuilder};
use store::operators;
use store::users::PasswordHash;
use uuid::Uuid;

use crate::support::{Shop, client};

/// The password of every operator of the tests.
pub(crate) const PASSWORD: &str = "a-long-password-for-tests";

/// A browser at the console of a shop.
pub(crate) struct Browser<'a> {
    pub(crate) shop: &'a Shop,
    pub(crate) name: String,
    http: Client,
    pub(crate) cookie: Option<String>,
    /// The token of the session's forms, as the last page had it.
    pub(crate) csrf: String,
}

/// A page, or what came instead of one.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) html: String,
}

impl Seen {
    /// Where one is sent.
    pub(crate) fn location(&self) -> &str {
        self.headers.get(LOCATION).map_or("", |to| to.to_str().unwrap())
    }

    pub(crate) fn has(&self, text: &str) -> bool {
        self.html.contains(text)
    }

    /// The value of the first field of this name.
    pub(crate) fn field(&self, name: &str) -> String {
        let start = format!("name=\"{name}\" value=\"");
        let (_, rest) = self
            .html
            .split_once(&start)
            .unwrap_or_else(|| panic!("no field {name} in {} {}", self.status, self.html));
        rest.split_once('"').unwrap().0.replace("&#34;", "\"").replace("&#38;", "&")
    }
}

/// Somebody of this rank, signed in.
pub(crate) async fn sign_in(shop: &Shop, rank: Rank) -> Browser<'_> {
    let name = format!("{rank}-{}", &Uuid::now_v7().simple().to_string()[20..]);
    add(shop, &name, rank).await;
    let mut browser = Browser::new(shop, &name);
    let seen = browser.enter(PASSWORD).await;
    assert_eq!(seen.status, 303, "{}", seen.html);
    browser.get("/console/account").await;
    browser
}

/// Makes somebody who may sign in.
pub(crate) async fn add(shop: &Shop, name: &str, rank: Rank) {
    let hash = PasswordHash(api::hash_password(&PASSWORD.into()).unwrap());
    let mut conn = shop.pool.acquire().await.unwrap();
    operators::insert(&mut conn, name, &hash, rank).await.unwrap();
}

impl<'a> Browser<'a> {
    /// One that has never been here.
    pub(crate) fn new(shop: &'a Shop, name: &str) -> Self {
        let name = name.to_owned();
        Self { shop, name, http: client(), cookie: None, csrf: String::new() }
    }

    /// Sends the form of the sign-in page.
    pub(crate) async fn enter(&mut self, password: &str) -> Seen {
        let name = self.name.clone();
        self.send("/console/sign-in", &[("name", &name), ("password", password)]).await
    }

    /// A request as the browser would send it, with its cookie.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, self.shop.url(path));
        match &self.cookie {
            Some(cookie) => request.header(COOKIE, cookie),
            None => request,
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Seen {
        let seen = self.read(self.request(Method::GET, path)).await;
        if seen.status == 200 && seen.has("name=\"csrf\"") {
            self.csrf = seen.field("csrf");
        }
        seen
    }

    /// Sends a form of the session.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Seen {
        let csrf = self.csrf.clone();
        let fields: Vec<_> = [("csrf", csrf.as_str())].iter().chain(fields).copied().collect();
        self.send(path, &fields).await
    }

    /// Sends a form as it is.
    pub(crate) async fn send(&mut self, path: &str, fields: &[(&str, &str)]) -> Seen {
        let request = self.request(Method::POST, path).header("sec-fetch-site", "same-origin");
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let seen = self.read(request.body(form(fields))).await;
        for cookie in seen.headers.get_all(SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            self.cookie = Some(pair.to_owned()).filter(|pair| !pair.ends_with('='));
        }
        seen
    }

    pub(crate) async fn read(&self, request: RequestBuilder) -> Seen {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Seen { status, headers, html: answer.text().await.unwrap() }
    }
}

/// Fields as a browser writes them.
fn form(fields: &[(&str, &str)]) -> String {
    let mut body = String::new();
    for (name, value) in fields {
        write!(body, "{name}=").unwrap();
        for byte in value.bytes() {
            write!(body, "%{byte:02X}").unwrap();
        }
        body.push('&');
    }
    body
}
