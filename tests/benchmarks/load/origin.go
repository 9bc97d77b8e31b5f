package main

import (
	"bufio"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const wsKey = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // RFC 6455

var small = []byte(`{"ok":true,"text":"` + strings.Repeat("a tide turns twice a day, ", 11) + `"}`)

// origin serves every host over TLS, HTTP/1.1 and HTTP/2 on one port, which it prints:
// /json, /bytes/N, /sse/N/MS, /ws and, from a folder, /page/NAME.ENCODING.
func origin(leaf, pages string) {
	pair, err := tls.LoadX509KeyPair(leaf, leaf)
	check(err)
	bodies := map[string][]byte{}
	files, err := filepath.Glob(filepath.Join(pages, "*"))
	check(err)
	for _, file := range files {
		body, err := os.ReadFile(file)
		check(err)
		bodies["/"+filepath.Base(file)] = body
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(small)
	})
	mux.HandleFunc("/bytes/", manyBytes)
	mux.HandleFunc("/sse/", events)
	mux.HandleFunc("/ws", echo)
	mux.HandleFunc("/search", func(w http.ResponseWriter, r *http.Request) {
		body := bodies["/"+r.URL.Query().Get("page")]
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Encoding", strings.TrimPrefix(filepath.Ext(r.URL.Query().Get("page")), "."))
		w.WriteHeader(200)
		for len(body) > 0 { // in pieces, as a search engine sends it
			n := 16 << 10
			if n > len(body) {
				n = len(body)
			}
			w.Write(body[:n])
			body = body[n:]
		}
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	quiet := log.New(io.Discard, "", 0)
	server := http.Server{ErrorLog: quiet, Handler: mux, TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}}}
	check(server.ServeTLS(listener, "", ""))
}

func manyBytes(w http.ResponseWriter, r *http.Request) {
	left, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/bytes/"))
	check(err)
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(left))
	piece := make([]byte, 256<<10)
	for left > 0 {
		if left < len(piece) {
			piece = piece[:left]
		}
		if _, err := w.Write(piece); err != nil {
			return // the client has left
		}
		left -= len(piece)
	}
}

// events sends N events, MS apart, each with the time at which it was sent.
func events(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.URL.Path, "/")
	count, _ := strconv.Atoi(parts[2])
	pause, _ := strconv.Atoi(parts[3])
	w.Header().Set("Content-Type", "text/event-stream")
	for n := 0; n < count; n++ {
		if n > 0 {
			time.Sleep(time.Duration(pause) * time.Millisecond)
		}
		fmt.Fprintf(w, "data: %d\n\n", time.Now().UnixNano())
		w.(http.Flusher).Flush()
	}
}

// echo answers a WebSocket's messages with themselves, unmasked.
func echo(w http.ResponseWriter, r *http.Request) {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + wsKey))
	conn, buffered, err := w.(http.Hijacker).Hijack()
	check(err)
	defer conn.Close()
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
	for {
		body, err := readFrame(buffered.Reader)
		if err != nil {
			return
		}
		conn.Write(frame(body, false))
	}
}

// frame makes one binary message; a client's is masked, here with noughts.
func frame(body []byte, masked bool) []byte {
	head := []byte{0x82, byte(len(body))}
	if len(body) > 125 {
		head = []byte{0x82, 126, byte(len(body) >> 8), byte(len(body))}
	}
	if masked {
		head[1] |= 0x80
		head = append(head, 0, 0, 0, 0)
	}
	return append(head, body...)
}

// readFrame reads one message of less than 64 KiB in one frame; a mask is taken to be noughts or is undone.
func readFrame(in *bufio.Reader) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, err
	}
	size := int(head[1] & 0x7f)
	if size == 126 {
		var long [2]byte
		if _, err := io.ReadFull(in, long[:]); err != nil {
			return nil, err
		}
		size = int(long[0])<<8 | int(long[1])
	}
	var mask [4]byte
	if head[1]&0x80 != 0 {
		if _, err := io.ReadFull(in, mask[:]); err != nil {
			return nil, err
		}
	}
	body := make([]byte, size)
	_, err := io.ReadFull(in, body)
	for i := range body {
		body[i] ^= mask[i%4]
	}
	if head[0]&0x0f == 8 {
		return nil, io.EOF
	}
	return body, err
}
