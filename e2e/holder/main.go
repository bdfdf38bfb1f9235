//go:build e2e

// Command holder is a program of somebody else: it knows package client and nothing else of this module. The tests run
// it in processes of its own.
//
//	holder source REFRESH-ADDRESS FILE RESOURCE   keeps asking for a token and using it, until its input ends
//	holder verify SERVER SERVICE [CREDENTIAL]     says for each token of its input what it is worth
//	holder watch SERVER SERVICE [CREDENTIAL]      says for each token of its input when it is refused, in Unix ns
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"symbolon/client"
)

func main() {
	var err error
	switch args := append(os.Args[1:], "", "", "", ""); args[0] {
	case "source":
		err = source(args[1], args[2], args[3])
	case "verify", "watch":
		err = check(args[0] == "watch", args[1], args[2], args[3])
	default:
		err = errors.New("say what to do: source, verify or watch")
	}
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

// source fails when it gets no token, or one that is refused before its time.
func source(address, file, resource string) error {
	tokens, err := client.NewSource(client.SourceConfig{Endpoint: client.SESARRefresh(address), File: file})
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	for n := 0; ; n++ {
		select {
		case <-ended:
			fmt.Println("used", n)
			return nil
		case <-time.After(50 * time.Millisecond):
		}
		if err := use(tokens, resource); err != nil {
			return err
		}
	}
}

func use(tokens *client.Source, resource string) error {
	tok, err := tokens.Token()
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodGet, resource, nil)
	if err != nil {
		return err
	}
	tok.SetAuthHeader(req)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK && time.Now().Before(tok.Expiry) {
		return fmt.Errorf("a token was refused with %d, %s before its end", resp.StatusCode, time.Until(tok.Expiry))
	}
	return nil
}

// check reads tokens and says what they are worth.
func check(watch bool, server, service, credential string) error {
	v, err := client.NewVerifier(client.VerifierConfig{Server: server, Service: service, Dialect: client.SESAR, EventsCredential: credential})
	if err != nil {
		return err
	}
	defer v.Close()
	var all sync.WaitGroup
	defer all.Wait()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		token := lines.Text()
		fmt.Println(worth(v, token))
		if watch {
			all.Go(func() { fmt.Println("refused", token, until(v, token)) })
		}
	}
	return nil
}

// worth is a word for what a token is worth.
func worth(v *client.Verifier, token string) string {
	c, err := v.Verify(context.Background(), token)
	for word, reason := range map[string]error{"expired": client.ErrExpired, "revoked": client.ErrRevoked, "wrong service": client.ErrWrongService,
		"unavailable": client.ErrUnavailable} {
		if errors.Is(err, reason) {
			return word
		}
	}
	if err != nil {
		return "bad token"
	}
	return "good " + c.Subject
}

// until waits until a token is refused.
func until(v *client.Verifier, token string) int64 {
	for {
		if _, err := v.Verify(context.Background(), token); err != nil {
			return time.Now().UnixNano()
		}
		time.Sleep(time.Millisecond)
	}
}
