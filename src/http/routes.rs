//! Which page answers which path. Not in Kafka.

use crate::http::http_request::HttpRequest;
use crate::http::http_response::{HttpResponse, Status};

/// Makes a page. It runs on the thread of the server: one that takes long keeps all others waiting.
type Page = Box<dyn Fn(&HttpRequest) -> HttpResponse + Send>;

/// The pages of a server, by their paths.
#[derive(Default)]
pub struct Routes {
    pages: Vec<(&'static str, Page)>,
}

impl Routes {
    /// These routes, and one more.
    #[must_use]
    pub fn at(
        mut self,
        path: &'static str,
        page: impl Fn(&HttpRequest) -> HttpResponse + Send + 'static,
    ) -> Self {
        self.pages.push((path, Box::new(page)));
        self
    }

    /// The page that was asked for, or the paths that there are.
    pub fn answer(&self, request: &HttpRequest) -> HttpResponse {
        match self.pages.iter().find(|(path, _)| *path == request.path) {
            Some((_, page)) => page(request),
            None => {
                let paths: Vec<&str> = self.pages.iter().map(|(path, _)| *path).collect();
                HttpResponse::text(Status::NotFound, &format!("There are {}", paths.join(", ")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_its_page_and_an_unknown_one_to_those_that_there_are() {
        let page = |text: &'static str| move |_: &HttpRequest| HttpResponse::text(Status::Ok, text);
        let routes = Routes::default().at("/a", page("first")).at("/b", page("second"));
        let asked = |path: &str| {
            let request = HttpRequest { path: path.to_string(), ..HttpRequest::default() };
            let answer = routes.answer(&request);
            (answer.status, String::from_utf8(answer.body.to_vec()).unwrap())
        };
        assert_eq!(asked("/b"), (Status::Ok, "second\n".to_string()));
        assert_eq!(asked("/"), (Status::NotFound, "There are /a, /b\n".to_string()));
        assert_eq!(asked("/a/").0, Status::NotFound);
    }
}
