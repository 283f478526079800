//! The pages of a broker, from before its logs are opened until after they are closed.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use log::info;

use crate::common::http_end_point::HttpEndPoint;
use crate::common::time::Time;
use crate::http::http_response::{HttpResponse, Status};
use crate::http::http_server::HttpServer;
use crate::http::routes::Routes;
use crate::server::monitoring::broker_state::{BrokerState, CurrentState};
use crate::server::monitoring::live_page::{Follower, LiveData, live_page};
use crate::server::monitoring::metrics_page::MetricsPage;
use crate::server::monitoring::observed::{ObservedParts, Observer};

/// Shows the broker to those who ask by HTTP, if the settings want it.
pub struct MonitoringServer {
    state: Arc<CurrentState>,
    observer: Arc<OnceLock<Observer>>,
    http: Option<HttpServer>,
    time: Arc<dyn Time>,
}

impl MonitoringServer {
    /// Opens the port, if there is to be one. Until the broker runs, it says that it lives and is not
    /// ready: opening logs after a crash may take long, and who restarts it meanwhile makes it
    /// longer.
    ///
    /// # Errors
    /// A sentence with the setting, if the port cannot be bound.
    pub fn start(end_point: Option<&HttpEndPoint>, time: &Arc<dyn Time>) -> io::Result<Self> {
        let (state, observer) = (Arc::new(CurrentState::starting()), Arc::default());
        let start = |end_point| {
            let routes = routes(&state, &observer, time);
            HttpServer::start(end_point, routes, Arc::clone(time))
        };
        let http = end_point.map(start).transpose()?;
        Ok(Self { state, observer, http, time: Arc::clone(time) })
    }

    /// From now on the broker is ready, and its metrics can be read.
    pub fn become_running(&self, parts: impl FnOnce() -> ObservedParts) {
        if let Some(http) = &self.http {
            let observe =
                || Observer::new(parts(), Arc::clone(&self.state), Arc::clone(&self.time));
            self.observer.get_or_init(observe);
            info!("metrics at http://{}/metrics", http.local_addr());
        }
        self.state.become_running();
    }

    /// From now on the broker is not ready: a balancer has the time of the shutdown to notice.
    pub fn begin_shutdown(&self) {
        self.state.shut_down();
    }

    /// Closes the port. Calling it again does nothing.
    pub fn shutdown(&mut self) {
        if let Some(http) = &mut self.http {
            http.shutdown();
        }
    }

    /// Where the pages are.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(HttpServer::local_addr)
    }
}

fn routes(
    state: &Arc<CurrentState>,
    observer: &Arc<OnceLock<Observer>>,
    time: &Arc<dyn Time>,
) -> Routes {
    let state = Arc::clone(state);
    let metrics = MetricsPage::new(Arc::clone(observer), Arc::clone(time));
    let live = LiveData::new(Arc::clone(observer));
    let follower = Follower::default();
    Routes::default()
        .at("/", |_| live_page())
        .at("/live", |_| live_page())
        .at("/live.json", move |_| live.get())
        .at("/follow", move |request| follower.follow(request))
        .at("/metrics", move |_| metrics.get())
        // That it is answered is the answer.
        .at("/healthz", |_| HttpResponse::text(Status::Ok, "alive"))
        .at("/readyz", move |_| match state.get() {
            BrokerState::Starting => HttpResponse::text(Status::ServiceUnavailable, "starting"),
            BrokerState::Running => HttpResponse::text(Status::Ok, "ready"),
            BrokerState::PendingControlledShutdown | BrokerState::ShuttingDown => {
                HttpResponse::text(Status::ServiceUnavailable, "shutting down")
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::time::SystemTime;
    use crate::http::http_request::HttpRequest;

    fn asked(routes: &Routes, path: &str) -> (Status, String) {
        let request = HttpRequest { path: path.to_string(), ..HttpRequest::default() };
        let answer = routes.answer(&request);
        (answer.status, String::from_utf8(answer.body.to_vec()).unwrap())
    }

    #[test]
    fn a_broker_that_starts_or_stops_is_alive_and_not_ready() {
        let state = Arc::new(CurrentState::starting());
        let time: Arc<dyn Time> = Arc::new(SystemTime::new());
        let routes = routes(&state, &Arc::default(), &time);
        let unready = |why: &str| (Status::ServiceUnavailable, format!("{why}\n"));
        assert_eq!(asked(&routes, "/readyz"), unready("starting"));
        assert_eq!(asked(&routes, "/metrics"), unready("the broker is starting"));
        assert_eq!(asked(&routes, "/healthz").0, Status::Ok);
        state.become_running();
        assert_eq!(asked(&routes, "/readyz").0, Status::Ok);
        state.shut_down();
        assert_eq!(asked(&routes, "/readyz"), unready("shutting down"));
        assert_eq!(asked(&routes, "/healthz").0, Status::Ok);
    }
}
