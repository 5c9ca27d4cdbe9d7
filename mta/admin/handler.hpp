/// \file AdminHandler: one call of the admin API answered, without HTTP.
///
/// Owns     the Reader that it reads with. Single-threaded: the admin server's.
#pragma once
#include <functional>
#include <optional>
#include <string>

#include "mta/admin/backend.hpp"
#include "mta/admin/request.hpp"

namespace sealpost::admin {

struct Answer {
    unsigned status = 200;
    std::string body;   ///< JSON, unless content_type says otherwise
    std::string allow;  ///< of a 405
    std::string content_type = "application/json";
};

class Handler {
public:
    explicit Handler(AdminBackend backend) : backend_(std::move(backend)) {}
    /// Never fails: what goes wrong is an answer.
    [[nodiscard]] Async<Answer> handle(Call call);

private:
    /// Errors are Refusals from here on, so that each answer has a status, a reason and a remedy.
    template <class T>
    using Outcome = tl::expected<T, Refusal>;

    [[nodiscard]] Outcome<std::string> read(const Request& request);
    [[nodiscard]] Async<Outcome<std::string>> count(CountQueue request);
    [[nodiscard]] Async<Outcome<std::string>> shape(ShapeQueue request);
    [[nodiscard]] Async<Outcome<std::string>> change(ChangeQueue request);
    /// Shows all that match to `visit` in steps, between which others are answered. False: it ended early,
    /// since a queue can be longer than anybody waits.
    [[nodiscard]] Async<Outcome<bool>> walk(queue::Filter filter,
                                            std::function<void(const queue::FilterSubject&)> visit);
    [[nodiscard]] Outcome<queue::Reader*> reader();
    template <class T>
    [[nodiscard]] Outcome<T> checked(Result<T> result);
    [[nodiscard]] Outcome<std::string> report(const ShowReport& request);

    AdminBackend backend_;
    std::optional<queue::Reader> reader_;
};

/// {"error":...,"remedy":...}
[[nodiscard]] Answer to_answer(const Refusal& refusal);
[[nodiscard]] Refusal to_refusal(const Error& error);

}  // namespace sealpost::admin
