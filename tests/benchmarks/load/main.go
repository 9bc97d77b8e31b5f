// The origin and the load of the benchmarks. Both are in Go so that they cost little beside a proxy.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var (
	proxy   = flag.String("proxy", "", "address of the proxy; none: straight to the target")
	target  = flag.String("target", "", "what CONNECT asks for, and where to go without a proxy; none: HOST:443")
	host    = flag.String("host", "", "name in TLS and in the request; %d in it is the number of the connection")
	roots   = flag.String("roots", "", "file of the roots to trust")
	path    = flag.String("path", "/json", "what to ask for")
	kind    = flag.String("kind", "kept", "kept, new (a connection a request), h2, ws or sse")
	clients = flag.Int("clients", 8, "how many ask at a time")
	seconds = flag.Float64("seconds", 1, "for how long; with -count for that many in all")
	count   = flag.Int64("count", 0, "how many in all")
	size    = flag.Int("size", 100, "bytes of a WebSocket message")
	slow    = flag.Int("slow", 0, "read so many KiB a second, no faster")
)

// result is printed as JSON. Later is the delay of every token but the first, in ms.
type result struct {
	Count   int64     `json:"count"`
	Bytes   int64     `json:"bytes"`
	Seconds float64   `json:"seconds"`
	First   []float64 `json:"first"`
	Later   []float64 `json:"later"`
}

var (
	trusted        = x509.NewCertPool()
	done, received int64
	asked          int64
	start          = make(chan struct{})
	stop           time.Time
)

func main() {
	if len(os.Args) == 4 && os.Args[1] == "origin" {
		origin(os.Args[2], os.Args[3])
	}
	flag.Parse()
	pem, err := os.ReadFile(*roots)
	check(err)
	trusted.AppendCertsFromPEM(pem)
	work := map[string]func(int, func()) result{"kept": kept, "new": fresh, "h2": http2, "ws": ws, "sse": sse}[*kind]
	var ready, finished sync.WaitGroup
	results := make([]result, *clients)
	for i := 0; i < *clients; i++ {
		ready.Add(1)
		finished.Add(1)
		go func(i int) {
			defer finished.Done()
			results[i] = work(i, func() { ready.Done(); <-start })
		}(i)
		if *clients > 100 { // all in one moment, and the front would let some pass by a busy inspector
			time.Sleep(15 * time.Millisecond)
		}
	}
	ready.Wait()
	done, received = 0, 0 // what warmed the connections up
	began := time.Now()
	stop = began.Add(time.Duration(*seconds * float64(time.Second)))
	close(start)
	finished.Wait()
	all := result{Count: done, Bytes: received, Seconds: time.Since(began).Seconds(), First: []float64{}, Later: []float64{}}
	for _, one := range results {
		all.First = append(all.First, one.First...)
		all.Later = append(all.Later, one.Later...)
	}
	check(json.NewEncoder(os.Stdout).Encode(all))
}

// next tells whether to ask once more, and for the how manieth time in all.
func next() (int, bool) {
	n := atomic.AddInt64(&asked, 1)
	if *count > 0 {
		return int(n), n <= *count
	}
	return int(n), time.Now().Before(stop)
}

func name(i int) string {
	if strings.Contains(*host, "%d") {
		return fmt.Sprintf(*host, i)
	}
	return *host
}

// authority is the name, and the port where it is not the usual one: as a Host header has it.
func authority(i int) string {
	_, port, _ := strings.Cut(*target, ":")
	return strings.TrimSuffix(name(i)+":"+port, ":")
}

func connect(i int, protocols ...string) *tls.Conn {
	at := *target
	if at == "" {
		at = name(i) + ":443"
	}
	to := *proxy
	if to == "" {
		to = at
	}
	conn, err := net.Dial("tcp", to)
	check(err)
	if *proxy != "" {
		fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", at, at)
		var head []byte
		for one := make([]byte, 1); !strings.HasSuffix(string(head), "\r\n\r\n"); head = append(head, one[0]) {
			_, err := io.ReadFull(conn, one)
			check(err)
		}
		if !strings.HasPrefix(string(head), "HTTP/1.1 200") && !strings.HasPrefix(string(head), "HTTP/1.0 200") {
			check(fmt.Errorf("the proxy said %q", head))
		}
	}
	secure := tls.Client(conn, &tls.Config{ServerName: name(i), RootCAs: trusted, NextProtos: protocols})
	check(secure.Handshake())
	return secure
}

func request(i int) []byte {
	return []byte("GET " + *path + " HTTP/1.1\r\nHost: " + authority(i) + "\r\nAccept-Encoding: br, gzip, zstd\r\n\r\n")
}

func ask(conn io.Writer, in *bufio.Reader, what []byte) {
	_, err := conn.Write(what)
	check(err)
	answer, err := http.ReadResponse(in, nil)
	check(err)
	read(answer)
}

func read(answer *http.Response) {
	if answer.StatusCode != 200 {
		check(fmt.Errorf("status %d", answer.StatusCode))
	}
	var n int64
	var err error
	if *slow == 0 {
		n, err = io.Copy(io.Discard, answer.Body)
	}
	for piece := make([]byte, *slow<<10/50); *slow > 0 && err == nil; time.Sleep(20 * time.Millisecond) {
		var some int
		some, err = io.ReadFull(answer.Body, piece)
		n += int64(some)
		if time.Now().After(stop) || err == io.EOF || err == io.ErrUnexpectedEOF {
			err = nil
			break
		}
	}
	check(err)
	answer.Body.Close()
	atomic.AddInt64(&done, 1)
	atomic.AddInt64(&received, n)
}

func kept(i int, ready func()) (none result) {
	conn := connect(i)
	in, what := bufio.NewReaderSize(conn, 64<<10), request(i)
	if *count == 0 {
		ask(conn, in, what)
	}
	ready()
	for _, again := next(); again; _, again = next() {
		ask(conn, in, what)
	}
	conn.Close()
	return
}

func fresh(_ int, ready func()) (none result) {
	ready()
	for n, again := next(); again; n, again = next() {
		conn := connect(n)
		ask(conn, bufio.NewReader(conn), request(n))
		conn.Close()
	}
	return
}

var shared http.Client
var once sync.Once

// http2 has all clients ask over one connection, as a browser does.
func http2(i int, ready func()) (none result) {
	once.Do(func() {
		dial := func(context.Context, string, string) (net.Conn, error) { return connect(0, "h2"), nil }
		shared.Transport = &http.Transport{DialTLSContext: dial, ForceAttemptHTTP2: true, DisableCompression: true}
	})
	get := func() {
		answer, err := shared.Get("https://" + authority(0) + *path)
		check(err)
		if answer.ProtoMajor != 2 {
			check(fmt.Errorf("not HTTP/2"))
		}
		read(answer)
	}
	if *count == 0 {
		get()
	}
	ready()
	for _, again := next(); again; _, again = next() {
		get()
	}
	return
}

func ws(i int, ready func()) (none result) {
	conn := connect(i)
	in := bufio.NewReader(conn)
	fmt.Fprintf(conn, "GET /ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", authority(i))
	answer, err := http.ReadResponse(in, nil)
	check(err)
	if answer.StatusCode != 101 {
		check(fmt.Errorf("status %d", answer.StatusCode))
	}
	message := frame(make([]byte, *size), true)
	ready()
	for _, again := next(); again; _, again = next() {
		_, err := conn.Write(message)
		check(err)
		back, err := readFrame(in)
		check(err)
		if len(back) != *size {
			check(fmt.Errorf("%d bytes came back", len(back)))
		}
		atomic.AddInt64(&done, 1)
	}
	conn.Close()
	return
}

// sse opens a connection a stream, as a person's first question does.
func sse(_ int, ready func()) (found result) {
	ready()
	for n, again := next(); again; n, again = next() {
		began := time.Now()
		conn := connect(n)
		_, err := conn.Write(request(n))
		check(err)
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		check(err)
		if answer.StatusCode != 200 {
			check(fmt.Errorf("status %d", answer.StatusCode))
		}
		lines := bufio.NewScanner(answer.Body)
		for first := true; lines.Scan(); {
			sent, err := strconv.ParseInt(strings.TrimPrefix(lines.Text(), "data: "), 10, 64)
			if err != nil {
				continue // the empty line between two events
			}
			if first {
				found.First = append(found.First, float64(time.Since(began).Microseconds())/1000)
			} else {
				found.Later = append(found.Later, float64(time.Now().UnixNano()-sent)/1e6)
			}
			first = false
		}
		atomic.AddInt64(&done, 1)
		conn.Close()
	}
	return
}
