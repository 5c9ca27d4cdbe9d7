/// \file AdminBackend: what the admin API may do to the daemon, injected.
///
/// Threads  every function is called on the admin server's thread, whose executor the coroutines run on. They
///          reach the store thread through a Completion; reads go through the Reader, which blocks only here.
#pragma once
#include <functional>
#include <string>

#include "config/domain.hpp"
#include "config/settings.hpp"
#include "mta/admin/queue_change.hpp"
#include "mta/net/async.hpp"
#include "queue/reader.hpp"
#include "security/message_tls.hpp"

namespace sealpost {

struct AdminBackend {
    /// Called when a reader is first needed, and again after one failed with Errc::storage.
    std::function<Result<queue::Reader>()> open_reader;
    /// Changes so many recipients as fit into one step; those that are gone meanwhile are passed over.
    std::function<Async<Result<Changed>>(ChangeOrder)> change;
    /// A trace as JSON (security/trace.hpp) of what a delivery would do.
    std::function<Async<std::string>(Domain, security::MessageTls)> explain;
    /// One JSON object with a member "schema".
    std::function<std::string()> status_json;
    /// Prometheus text exposition.
    std::function<std::string()> metrics_text = {};
    Domain hostname;         ///< the submitter in report ids
    ReportSettings reports;  ///< empty members: from hostname
};

}  // namespace sealpost
