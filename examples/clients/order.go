// Places one order and follows it. Asks again with the same key while the server is busy or away, for a minute.
//
// Usage: go run order.go URL PRODUCT USER QUANTITY KEY. STOREFRONT_TOKEN, if the server has one. No package is needed.
// Exit code: 0 when the units are bought or reserved, 1 when the order was rejected, 2 when nobody knows yet.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand"
	"net/http"
	"os"
	"strconv"
	"time"
)

const patience = time.Minute

var client = http.Client{Timeout: 10 * time.Second}

// reply has what is needed of a receipt, a job and a problem.
type reply struct {
	OrderID     int64   `json:"orderId"`
	JobID       string  `json:"jobId"`
	OrderStatus string  `json:"orderStatus"`
	ExpiresAt   *string `json:"expiresAt"`
	Code        string  `json:"code"`
}

// once makes one request: its status, 0 if there was no response, and the seconds of Retry-After, if there are any.
func once(method, url string, body []byte, headers map[string]string) (status, after int, got reply) {
	request, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return 0, 0, got
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, 0, got
	}
	defer response.Body.Close()
	after, _ = strconv.Atoi(response.Header.Get("Retry-After"))
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil && response.StatusCode < 500 {
		return 0, after, got // half of a response; the same key makes it safe to ask again
	}
	return response.StatusCode, after, got
}

// ask makes one request and repeats it while that helps. It gives false if there was no response to the end.
func ask(method, url string, body []byte, headers map[string]string, deadline time.Time) (int, reply, bool) {
	for pause := 1; ; pause *= 2 {
		status, after, got := once(method, url, body, headers)
		if status != 0 && status != http.StatusTooManyRequests && status < 500 {
			return status, got, true
		}
		if after == 0 {
			after = pause
		}
		wait := time.Duration(after) * time.Second
		if time.Now().Add(wait).After(deadline) {
			return status, got, false
		}
		time.Sleep(wait + time.Duration(rand.Int63n(int64(time.Second)))) // not all buyers at the same moment
	}
}

// buy gives what there is to say, and the exit code.
func buy(server string, order map[string]any, key, token string) (string, int) {
	deadline := time.Now().Add(patience)
	headers := map[string]string{"Content-Type": "application/json", "Idempotency-Key": key}
	if token != "" {
		headers["Authorization"] = "Bearer " + token
	}
	body, _ := json.Marshal(order)
	status, placed, known := ask("POST", server+"/api/v1/orders", body, headers, deadline)
	if !known {
		return "not ordered: ask again with the same key", 2
	}
	if status != http.StatusCreated {
		return "not ordered: " + placed.Code, 1
	}
	for time.Now().Before(deadline) {
		status, job, known := ask("GET", server+"/api/v1/orders/queue/"+placed.JobID, nil, nil, deadline)
		switch {
		case !known || status != http.StatusOK:
			return fmt.Sprintf("order %d: unknown", placed.OrderID), 2
		case job.OrderStatus == "confirmed":
			return fmt.Sprintf("order %d: confirmed", placed.OrderID), 0
		case job.OrderStatus != "pending":
			return fmt.Sprintf("order %d: %s", placed.OrderID, job.OrderStatus), 1
		case job.ExpiresAt != nil:
			return fmt.Sprintf("order %d: reserved until %s", placed.OrderID, *job.ExpiresAt), 0
		}
		time.Sleep(time.Second)
	}
	return fmt.Sprintf("order %d: pending", placed.OrderID), 2
}

func main() {
	if len(os.Args) != 6 {
		fmt.Fprintln(os.Stderr, "usage: order URL PRODUCT USER QUANTITY KEY")
		os.Exit(2)
	}
	// Whole numbers may be strings of digits.
	order := map[string]any{"productId": os.Args[2], "userId": os.Args[3], "quantity": os.Args[4]}
	text, code := buy(os.Args[1], order, os.Args[5], os.Getenv("STOREFRONT_TOKEN"))
	fmt.Println(text)
	os.Exit(code)
}
