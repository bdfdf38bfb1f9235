//go:build e2e

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"symbolon/e2e/load"
)

// answer is what the bare server gives on one path, and what it does before: nothing, "verify" the ES256 signature of the
// bearer, "verify+sign", or "hash+sign" its body.
type answer struct {
	Header http.Header
	Body   []byte
	Work   string
	X, Y   []byte // of the public key, for verify
}

// serveFloor answers GET and POST of a path with what was PUT there, until it is killed.
func serveFloor() {
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err == nil {
		var ln net.Listener
		if ln, err = net.Listen("tcp", "127.0.0.1:0"); err == nil {
			fmt.Println("floor on", ln.Addr())
			err = http.Serve(ln, floorHandler(own))
		}
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

func floorHandler(own *ecdsa.PrivateKey) http.Handler {
	var paths [16]atomic.Pointer[answer] // :: the digit of its path → what it answers
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := &paths[int(r.URL.Path[len(r.URL.Path)-1])%16]
		if r.Method == http.MethodPut {
			a := &answer{}
			if err := json.NewDecoder(r.Body).Decode(a); err != nil {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			at.Store(a)
			w.Header().Set("Content-Length", "0")
			return
		}
		a := at.Load()
		if a == nil { // is it there?
			w.Header().Set("Content-Length", "0")
			return
		}
		if !a.work(own, r) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		h := w.Header()
		for name, values := range a.Header {
			h[name] = values
		}
		_, _ = w.Write(a.Body)
	})
}

// work is what cannot be had for less than the standard library's price.
func (a *answer) work(own *ecdsa.PrivateKey, r *http.Request) bool {
	switch a.Work {
	case "verify", "verify+sign":
		if !a.verified(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")) {
			return false
		}
	case "hash+sign":
		body, err := io.ReadAll(r.Body)
		if sum := sha256.Sum256(body); err != nil || sum == [32]byte{} {
			return false
		}
	default:
		_ = r.Header.Get("Authorization")
		return true
	}
	return a.Work == "verify" || signed(own, a.Body)
}

func signed(own *ecdsa.PrivateKey, text []byte) bool {
	sum := sha256.Sum256(text)
	_, err := ecdsa.SignASN1(rand.Reader, own, sum[:])
	return err == nil
}

func (a *answer) verified(token string) bool {
	dot := strings.LastIndexByte(token, '.')
	if dot < 0 {
		return false
	}
	sig, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	if err != nil || len(sig) != 64 {
		return false
	}
	key := ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).SetBytes(a.X), Y: new(big.Int).SetBytes(a.Y)}
	sum := sha256.Sum256([]byte(token[:dot]))
	return ecdsa.Verify(&key, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
}

// startFloor starts this program as the bare server.
func startFloor() (*load.Server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	return load.Run(exec.Command(self, "-floor"), "floor on ")
}

// copyOf fetches an answer of the server.
func copyOf(s *load.Server, method, path, bearer, body string) (answer, error) {
	req, err := http.NewRequest(method, "http://"+s.Addr+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s answered %s: %.300s", method, path, resp.Status, text)
	}
	return answer{Header: resp.Header, Body: text}, err
}

// teach gives the bare server what it has to answer on a path.
func teach(floor *load.Server, path string, a answer) error {
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	c, err := load.Dial(floor.Addr)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Expect(200, fmt.Appendf(nil, "PUT %s HTTP/1.1\r\nHost: floor\r\nContent-Length: %d\r\n\r\n%s", path, len(text), text))
	return err
}

// ownCPU is what this program has used so far.
func ownCPU() (time.Duration, error) {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0, fmt.Errorf("reading own CPU time: %w", err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()), nil
}

// publicKey is the ES256 key of a service in its key set.
func publicKey(s *load.Server, service string) (x, y []byte, err error) {
	a, err := copyOf(s, "GET", "/symbolon/keys/"+service+"/jwks.json", "", "")
	if err != nil {
		return nil, nil, err
	}
	var set struct {
		Keys []struct{ Alg, X, Y, Kid string }
	}
	if err := json.Unmarshal(a.Body, &set); err != nil {
		return nil, nil, err
	}
	for _, k := range set.Keys {
		if k.Alg == "ES256" {
			x, errX := base64.RawURLEncoding.DecodeString(k.X)
			y, errY := base64.RawURLEncoding.DecodeString(k.Y)
			return x, y, errors.Join(errX, errY)
		}
	}
	return nil, nil, fmt.Errorf("service %s has no ES256 key", service)
}
