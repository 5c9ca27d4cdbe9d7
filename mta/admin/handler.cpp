#include "mta/admin/handler.hpp"

#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <unordered_set>

#include "mta/admin/view.hpp"
#include "queue/shape.hpp"

namespace sealpost::admin {
namespace {

constexpr const char* metrics_content_type = "text/plain; version=0.0.4; charset=utf-8";
constexpr std::size_t change_page = 500;  // recipients that one request may change: one job of the store
constexpr std::size_t max_domains = 100'000;
constexpr std::chrono::seconds longest_walk{20};

tl::unexpected<Refusal> not_found(std::string error, std::string remedy) {
    return tl::unexpected<Refusal>(Refusal{404, std::move(error), std::move(remedy)});
}

}  // namespace

Answer to_answer(const Refusal& refusal) {
    boost::json::object out;
    out["error"] = refusal.error;
    out["remedy"] = refusal.remedy;
    Answer answer;
    answer.status = refusal.status;
    answer.body = boost::json::serialize(out);
    answer.allow = refusal.allow;
    return answer;
}

Refusal to_refusal(const Error& error) {
    switch (error.code) {
        case Errc::invalid:
            return {400, error.text, "correct the request"};
        case Errc::not_found:
            return {404, error.text, "`sealpost queue list` shows what is there"};
        case Errc::unavailable:
        case Errc::timed_out:
        case Errc::full:
            return {503, error.text, "try again later"};
        case Errc::configuration:
            return {500, error.text, "correct the configuration or the installation"};
        case Errc::protocol:
        case Errc::storage:
            break;
    }
    return {500, error.text, "look at the daemon's log and at the disk of the state directory"};
}

Async<Answer> Handler::handle(Call call) {
    const auto request = parse_request(call);
    if (!request) co_return to_answer(request.error());

    Outcome<std::string> body;
    if (const auto* counted = std::get_if<CountQueue>(&*request)) {
        body = co_await count(*counted);
    } else if (const auto* shaped = std::get_if<ShapeQueue>(&*request)) {
        body = co_await shape(*shaped);
    } else if (const auto* changed = std::get_if<ChangeQueue>(&*request)) {
        body = co_await change(*changed);
    } else if (const auto* asked = std::get_if<Explain>(&*request)) {
        body = co_await backend_.explain(asked->domain, asked->message);
    } else {
        body = read(*request);
    }
    if (!body) co_return to_answer(body.error());
    Answer answer;
    answer.body = std::move(*body);
    if (std::holds_alternative<ShowMetrics>(*request)) answer.content_type = metrics_content_type;
    co_return answer;
}

Async<Handler::Outcome<bool>> Handler::walk(queue::Filter filter,
                                            std::function<void(const queue::FilterSubject&)> visit) {
    const auto executor = co_await asio::this_coro::executor;
    const auto end = std::chrono::steady_clock::now() + longest_walk;
    const std::function<bool(const queue::FilterSubject&)> step =
        [&visit](const queue::FilterSubject& subject) {
            visit(subject);
            return true;
        };
    std::optional<queue::RecipientId> after;
    for (;;) {
        const auto from = reader();  // each time: another request may have closed it meanwhile
        if (!from) co_return tl::unexpected(from.error());
        const auto next = checked((*from)->walk(filter, after, step));
        if (!next) co_return tl::unexpected(next.error());
        if (!*next) co_return true;
        if (std::chrono::steady_clock::now() >= end) co_return false;
        after = *next;
        co_await asio::post(executor, asio::use_awaitable);
    }
}

Async<Handler::Outcome<std::string>> Handler::count(CountQueue request) {
    const auto from = reader();
    if (!from) co_return tl::unexpected(from.error());
    if (const auto known = (*from)->check_known(request.filter.ids); !known)
        co_return tl::unexpected(to_refusal(known.error()));
    QueueCount counted;
    std::unordered_set<std::string> domains;
    std::function<void(const queue::FilterSubject&)> visit = [&](const queue::FilterSubject& subject) {
        ++counted.recipients;
        if (!counted.last || counted.last->message != subject.id.message) ++counted.messages;
        counted.last = subject.id;
        if (domains.size() < max_domains) domains.emplace(subject.domain);
    };
    const auto complete = co_await walk(std::move(request.filter), std::move(visit));
    if (!complete) co_return tl::unexpected(complete.error());
    counted.complete = *complete;
    counted.domains = domains.size();
    co_return count_json(counted);
}

Async<Handler::Outcome<std::string>> Handler::shape(ShapeQueue request) {
    const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    const ShapeBy by = request.by;
    queue::Shape shape;
    std::function<void(const queue::FilterSubject&)> visit = [&](const queue::FilterSubject& subject) {
        if (by == ShapeBy::sender)
            shape.add(queue::sender_domain(subject.sender), now - subject.received_at);
        else
            shape.add(subject.domain, now - subject.received_at);
    };
    const auto complete = co_await walk(std::move(request.filter), std::move(visit));
    if (!complete) co_return tl::unexpected(complete.error());
    co_return shape_json(shape.table(request.limit), by, *complete);
}

Async<Handler::Outcome<std::string>> Handler::change(ChangeQueue request) {
    const auto from = reader();
    if (!from) co_return tl::unexpected(from.error());
    // Not for later pages: the first ones may have removed a message whole.
    if (!request.after)
        if (const auto known = (*from)->check_known(request.filter.ids); !known)
            co_return tl::unexpected(to_refusal(known.error()));
    auto page = checked((*from)->list(request.filter, request.after, change_page));
    if (!page) co_return tl::unexpected(page.error());
    Changed changed;
    if (!page->rows.empty()) {
        ChangeOrder order(request.change, std::move(page->rows), std::move(request.text));
        const auto done = co_await backend_.change(std::move(order));
        if (!done) co_return tl::unexpected(to_refusal(done.error()));
        changed = *done;
    }
    co_return changed_json(request.change, changed, page->next);
}

Handler::Outcome<queue::Reader*> Handler::reader() {
    if (!reader_) {
        auto opened = backend_.open_reader();
        if (!opened) return tl::unexpected(to_refusal(opened.error()));
        reader_ = std::move(*opened);
    }
    return &*reader_;
}

template <class T>
Handler::Outcome<T> Handler::checked(Result<T> result) {
    if (result) return std::move(*result);
    if (result.error().code == Errc::storage) reader_.reset();
    return tl::unexpected(to_refusal(result.error()));
}

Handler::Outcome<std::string> Handler::read(const Request& request) {
    if (std::holds_alternative<ShowStatus>(request)) return backend_.status_json();
    if (std::holds_alternative<ShowMetrics>(request)) return backend_.metrics_text();
    const auto from = reader();
    if (!from) return tl::unexpected(from.error());
    queue::Reader& reader = **from;

    if (const auto* list = std::get_if<ListQueue>(&request)) {
        if (!list->after)
            if (const auto known = reader.check_known(list->filter.ids); !known)
                return tl::unexpected(to_refusal(known.error()));
        return checked(reader.list(list->filter, list->after, list->limit)).map(page_json);
    }
    if (const auto* message = std::get_if<ShowMessage>(&request))
        return checked(reader.show(message->id)).map(message_json);
    if (const auto* trace = std::get_if<ShowTrace>(&request)) {
        const auto attempts = checked(reader.trace(trace->id));
        if (!attempts) return tl::unexpected(attempts.error());
        if (attempts->empty())
            return not_found(fmt::format("no attempt of message {} is known", trace->id),
                             "it was not tried yet, or its traces were dropped by age (queue.trace_max_age)");
        return trace_json(trace->id, *attempts);
    }
    if (const auto* reports = std::get_if<ListReports>(&request)) {
        // One more than asked for tells whether there are more.
        auto domains = checked(reader.report_domains(reports->day, reports->after, reports->limit + 1));
        if (!domains) return tl::unexpected(domains.error());
        const bool more = domains->size() > reports->limit;
        if (more) domains->pop_back();
        return domains_json(*domains, more);
    }
    if (const auto* one = std::get_if<ShowReport>(&request)) return report(*one);
    return tl::unexpected(Refusal{500, "a request without a handler", "report this as a bug"});
}

Handler::Outcome<std::string> Handler::report(const ShowReport& request) {
    const auto from = reader();
    if (!from) return tl::unexpected(from.error());
    auto policies = checked((*from)->results(request.day, request.domain));
    if (!policies) return tl::unexpected(policies.error());
    if (policies->empty())
        return not_found(fmt::format("no TLS session for {} on {}", request.domain, format_day(request.day)),
                         "`sealpost report build --day DAY` without --domain prints all there are");

    const ReportSettings& settings = backend_.reports;
    const std::string contact_text = settings.contact_info.empty()
                                         ? fmt::format("postmaster@{}", backend_.hostname)
                                         : settings.contact_info;
    auto contact = Address::parse(contact_text);
    if (!contact)
        return tl::unexpected(Refusal{500, fmt::format("reports.contact_info: {}", contact.error().text),
                                      "set it to an address"});
    security::ReportInput input{
        .organization_name =
            settings.organization_name.empty() ? backend_.hostname.str() : settings.organization_name,
        .contact_info = std::move(*contact),
        .report_id = security::report_id(request.domain, request.day, backend_.hostname),
        .day = request.day,
        .policy_domain = request.domain,
        .policies = std::move(*policies)};
    return security::report_json(input);
}

}  // namespace sealpost::admin
