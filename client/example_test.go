package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"

	"golang.org/x/oauth2"

	"symbolon/client"
)

func ExampleSource() {
	tokens, err := client.NewSource(client.SourceConfig{
		Endpoint: client.SESARRefresh("https://tokens.example.org/webservices/refresh_token.php"),
		File:     "/var/lib/harvester/pair.json",
	})
	if err != nil {
		log.Fatal(err)
	}
	api := oauth2.NewClient(context.Background(), tokens) // sends a token that is good now with each request
	resp, err := api.Get("https://samples.example.org/webservices/display.php?igsn=10.58052/IE0000001")
	switch {
	case errors.Is(err, client.ErrNewPair):
		log.Fatal("a human must make a new pair: ", err)
	case errors.Is(err, client.ErrUnavailable):
		log.Fatal("try again later: ", err)
	case err != nil:
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
}

// EDI's two tokens travel together.
func ExampleEDIKeyExchange() {
	tokens, err := client.NewSource(client.SourceConfig{
		Endpoint: client.EDIKeyExchange("https://tokens.example.org/auth/v1/key", "the API key, from a file or the environment"),
		File:     "/var/lib/harvester/edi.json",
	})
	if err != nil {
		log.Fatal(err)
	}
	tok, err := tokens.Token()
	if err != nil {
		log.Fatal(err)
	}
	req, err := http.NewRequest("GET", "https://pasta.example.org/package/eml", nil)
	if err != nil {
		log.Fatal(err)
	}
	req.AddCookie(&http.Cookie{Name: "edi-token", Value: tok.AccessToken})
	if pasta, ok := tok.Extra("pasta-token").(string); ok {
		req.AddCookie(&http.Cookie{Name: "auth-token", Value: pasta})
	}
}

func ExampleVerifier() {
	v, err := client.NewVerifier(client.VerifierConfig{
		Server:  "https://tokens.example.org",
		Service: "samples",
		Dialect: client.SESAR,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer v.Close()
	claims, err := v.Verify(context.Background(), "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9…")
	switch {
	case errors.Is(err, client.ErrUnavailable):
		log.Fatal("nobody may be let in now, try again later: ", err)
	case err != nil:
		log.Fatal("not let in: ", err)
	}
	fmt.Println("account", claims.Subject, "until", claims.Expires)
}

func ExampleMiddleware() {
	v, err := client.NewVerifier(client.VerifierConfig{
		Server:           "https://tokens.example.org",
		Service:          "ecology",
		Dialect:          client.EDI,
		EventsCredential: "of the event stream, from a file or the environment", // so that revocations count at once
	})
	if err != nil {
		log.Fatal(err)
	}
	defer v.Close()
	readOnly := func(r *http.Request, c *client.Claims) bool {
		return r.Method == http.MethodGet || c.Subject == "EDI-1"
	}
	guard := client.Middleware(v, readOnly)
	http.Handle("/data/", guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello", client.FromContext(r.Context()).Subject)
	})))
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", nil))
}
