// A JSON-RPC 2.0 server over lines of TCP, in C++ as one writes it: exceptions carry errors through parser and methods,
// iostreams read and print, containers hold data, and a file stream keeps a journal that is read again at start.
#include "json.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <numeric>
#include <vector>

namespace {

struct RpcError : std::runtime_error {
    RpcError(int code_, const std::string &what) : std::runtime_error(what), code(code_) {}
    int code;
};

class Store {
public:
    explicit Store(std::string path) : path_(std::move(path)) {
        std::ifstream in(path_);
        for (std::string line; std::getline(in, line);) apply(Json::parse(line));
        out_.open(path_, std::ios::app);
        if (!out_) throw std::runtime_error("cannot append to " + path_);
    }
    void set(const std::string &key, const Json &value) {
        Json entry = Json::array({Json(key), value});
        out_ << entry.text() << std::endl;
        if (!out_) throw RpcError(-32000, "the journal cannot be written");
        apply(entry);
    }
    const Json &get(const std::string &key) const {
        auto found = values_.find(key);
        if (found == values_.end()) throw RpcError(-32001, "no such key: " + key);
        return found->second;
    }
    std::size_t size() const { return values_.size(); }

private:
    void apply(const Json &entry) { values_[entry.at(0).string()] = entry.at(1); }
    std::string path_;
    std::ofstream out_;
    std::map<std::string, Json> values_;
};

using Method = std::function<Json(const Json &)>;

std::map<std::string, Method> methods(Store &store) {
    return {
        {"set", [&](const Json &p) { store.set(p.at(0).string(), p.at(1)); return Json(true); }},
        {"get", [&](const Json &p) { return store.get(p.at(0).string()); }},
        {"count", [&](const Json &) { return Json(double(store.size())); }},
        {"sum", [](const Json &p) {
             return Json(std::accumulate(p.items().begin(), p.items().end(), 0.0,
                                         [](double sum, const Json &value) { return sum + value.number(); }));
         }},
        {"divide", [](const Json &p) {
             if (p.at(1).number() == 0) throw RpcError(-32002, "division by zero");
             return Json(p.at(0).number() / p.at(1).number());
         }},
        {"sort", [](const Json &p) {
             std::vector<Json> sorted = p.items();
             std::stable_sort(sorted.begin(), sorted.end(), [](const Json &a, const Json &b) { return a.text() < b.text(); });
             return Json::array(std::move(sorted));
         }},
    };
}

Json failure(int code, const std::string &message, Json id) {
    return Json::object({{"jsonrpc", Json("2.0")}, {"error", Json::object({{"code", Json(double(code))}, {"message", Json(message)}})}, {"id", std::move(id)}});
}

std::string answer(const std::map<std::string, Method> &known, const std::string &line) {
    Json id;
    try {
        Json request = Json::parse(line);
        if (request.has("id")) id = request.member("id");
        auto method = known.find(request.member("method").string());
        if (method == known.end()) return failure(-32601, "Method not found", id).text();
        Json result = method->second(request.has("params") ? request.member("params") : Json::array({}));
        return Json::object({{"jsonrpc", Json("2.0")}, {"result", std::move(result)}, {"id", id}}).text();
    } catch (const JsonError &error) {
        return failure(-32700, error.what(), id).text();
    } catch (const RpcError &error) {
        return failure(error.code, error.what(), id).text();
    } catch (const std::out_of_range &) {
        return failure(-32602, "Invalid params: too few", id).text();
    }
}

struct Client {
    int fd;
    std::string in, out;
};

// Reads, answers, writes what goes; false when the client is to be forgotten.
bool serve(Client &client, short events, const std::map<std::string, Method> &known) {
    if (events & (POLLIN | POLLHUP | POLLERR)) {
        char piece[4096];
        ssize_t got = read(client.fd, piece, sizeof piece);
        if (got <= 0) return got < 0 && (errno == EAGAIN || errno == EINTR);
        client.in.append(piece, std::size_t(got));
        for (std::size_t end; (end = client.in.find('\n')) != std::string::npos; client.in.erase(0, end + 1))
            client.out += answer(known, client.in.substr(0, end)) + "\n";
    }
    if (!client.out.empty()) {
        ssize_t sent = write(client.fd, client.out.data(), client.out.size());
        if (sent < 0) return errno == EAGAIN || errno == EINTR;
        client.out.erase(0, std::size_t(sent));
    }
    return true;
}

int listen_on(std::uint16_t port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        bind(fd, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0 || listen(fd, 128) != 0)
        throw std::runtime_error(std::string("cannot listen: ") + std::strerror(errno));
    return fd;
}

} // namespace

int main(int argc, char **argv) try {
    if (argc != 3) throw std::invalid_argument("usage: jsonrpc PORT JOURNAL");
    std::signal(SIGPIPE, SIG_IGN);
    Store store(argv[2]);
    const auto known = methods(store);
    int listener = listen_on(std::uint16_t(std::stoi(argv[1])));
    std::cout << "jsonrpc listens on " << argv[1] << ", " << store.size() << " values" << std::endl;
    for (std::vector<Client> clients;;) {
        std::vector<pollfd> polls{{listener, POLLIN, 0}};
        for (const Client &client : clients) polls.push_back({client.fd, short(POLLIN | (client.out.empty() ? 0 : POLLOUT)), 0});
        if (poll(polls.data(), nfds_t(polls.size()), -1) < 0 && errno != EINTR) throw std::runtime_error("poll failed");
        for (std::size_t i = clients.size(); i-- > 0;) {
            if (polls[i + 1].revents == 0 || serve(clients[i], polls[i + 1].revents, known)) continue;
            close(clients[i].fd);
            clients.erase(clients.begin() + std::ptrdiff_t(i));
        }
        if (polls[0].revents & POLLIN)
            if (int fd = accept(listener, nullptr, nullptr); fd >= 0) clients.push_back({fd, {}, {}});
    }
} catch (const std::exception &error) {
    std::cerr << "jsonrpc: " << error.what() << std::endl;
    return 1;
}
