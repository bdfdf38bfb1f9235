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
