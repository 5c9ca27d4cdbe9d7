#include "mta/admin/handler.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "mta/admin/view.hpp"

namespace sealpost::admin {
namespace {

constexpr const char* metrics_content_type = "text/plain; version=0.0.4; charset=utf-8";
constexpr std::size_t retry_page = 1000;  // rows that one request to retry may move

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
    if (const auto* message = std::get_if<RetryMessage>(&*request)) {
        RetrySelection selection = message->id;
        std::optional<std::string> no_next;
        body = co_await retry(std::move(selection), std::move(no_next));
    } else if (const auto* matching = std::get_if<RetryMatching>(&*request)) {
        auto found = select(*matching);
        if (found)
            body = co_await retry(std::move(found->first), std::move(found->second));
        else
            body = tl::unexpected(found.error());
    } else if (const auto* gone = std::get_if<RemoveMessage>(&*request)) {
        body = co_await remove(gone->id);
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

Handler::Outcome<std::pair<RetrySelection, std::optional<std::string>>> Handler::select(
    const RetryMatching& request) {
    const auto from = reader();
    if (!from) return tl::unexpected(from.error());
    queue::ListFilter filter;
    filter.domain = request.domain;
    const auto page = checked((*from)->list(filter, request.after, retry_page));
    if (!page) return tl::unexpected(page.error());
    std::vector<queue::RecipientId> ids;
    ids.reserve(page->rows.size());
    for (const queue::RecipientRow& row : page->rows) ids.push_back(row.id);
    std::optional<std::string> next;
    if (page->next) next = to_cursor(*page->next);
    return std::pair(RetrySelection(std::move(ids)), std::move(next));
}

Async<Handler::Outcome<std::string>> Handler::retry(RetrySelection selection,
                                                    std::optional<std::string> next) {
    const auto* const id = std::get_if<queue::MessageId>(&selection);
    if (id != nullptr) {
        // So that a wrong id is told apart from a message that has nothing waiting.
        const Request known = ShowMessage{*id};
        const auto there = read(known);
        if (!there) co_return tl::unexpected(there.error());
    }
    const auto moved = co_await backend_.retry(std::move(selection));
    if (!moved) co_return tl::unexpected(to_refusal(moved.error()));
    co_return retried_json(*moved, next);
}

Async<Handler::Outcome<std::string>> Handler::remove(queue::MessageId id) {
    const auto removed = co_await backend_.remove(id);
    if (!removed) co_return tl::unexpected(to_refusal(removed.error()));
    co_return removed_json(id);
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

    if (const auto* list = std::get_if<ListQueue>(&request))
        return checked(reader.list(list->filter, list->after, list->limit)).map(page_json);
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
