/// \file Client: one admin connection, one question at a time.
///
/// Limits   each step (connect, send, receive) has the deadline; an answer is 64 MiB at most.
/// Errors   Errc::unavailable - no daemon there; Errc::configuration - not permitted; Errc::timed_out;
///          Errc::protocol - what answers there is no Sealpost. One line with the remedy.
#pragma once
#include <chrono>
#include <memory>
#include <string>

#include "config/result.hpp"
#include "mta/admin/request.hpp"

namespace sealpost::cli {

struct Response {
    unsigned status = 0;
    std::string body;
};

class Client {
public:
    Client(std::string socket_path, std::chrono::milliseconds deadline);
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client();

    /// Connects when that was not done yet.
    [[nodiscard]] Result<Response> call(const admin::Call& call);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace sealpost::cli
