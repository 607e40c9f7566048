// This program uses the API through a client whose types are generated from
// openapi.json, so that a wrong document fails to compile.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

type Product = components["schemas"]["Product"];

const setting = (name: string): string => {
  const value = process.env[name];
  assert.ok(value, `${name} is not set`);
  return value;
};

const api = createClient<paths>({
  baseUrl: setting("VITRINE_URL"),
  headers: { Authorization: `Bearer ${setting("VITRINE_TOKEN")}` },
});
const picture = setting("VITRINE_PICTURE");
const step = (text: string): void => console.log(text);

async function createUser(): Promise<number> {
  const { data, error } = await api.POST("/users", {
    body: { name: "Ada", email: `ada-${randomUUID()}@example.com` },
  });
  assert.ok(data, error?.detail);
  step(`created user ${data.data.id}`);
  return data.data.id;
}

async function createProduct(owner: number): Promise<Product> {
  const request = {
    params: { header: { "Idempotency-Key": randomUUID() } },
    body: { user_id: owner, product_name: "Desk lamp", product_price: 49.9, product_images: [picture] },
  };
  const { data, error } = await api.POST("/products", request);
  assert.ok(data, error?.detail);
  assert.equal(data.data.image_status, "pending");
  const again = await api.POST("/products", request);
  assert.equal(again.data?.data.id, data.data.id);
  assert.equal(again.response.headers.get("Idempotent-Replayed"), "true");
  step(`created product ${data.data.id}, twice with one key`);
  return data.data;
}

async function read(id: number): Promise<Product> {
  const { data, error } = await api.GET("/products/{id}", { params: { path: { id } } });
  assert.ok(data, error?.detail);
  return data.data;
}

async function awaitPictures(id: number): Promise<void> {
  const { data, error, response } = await api.GET("/products/{id}", {
    params: { path: { id }, header: { Prefer: "wait=30" } },
  });
  assert.ok(data, error?.detail);
  assert.equal(response.headers.get("Preference-Applied"), "wait=30");
  const product = data.data;
  assert.equal(product.image_status, "ready", JSON.stringify(product.images));
  const variants = product.images.flatMap((image) => image.variants);
  for (const name of ["main", "large", "small", "square"]) {
    assert.ok(variants.some((variant) => variant.name === name && variant.format === "jpeg"), name);
  }
  step(`its picture is ready: ${product.compressed_product_images?.length ?? 0} of 1, version ${product.version}`);
}

async function list(owner: number, id: number): Promise<void> {
  const { data, error } = await api.GET("/products", {
    params: { query: { user_id: owner, min_price: 10, q: "lamp", image_status: "ready", sort: "-product_price", total: true } },
  });
  assert.ok(data, error?.detail);
  assert.deepEqual(data.data.map((product) => product.id), [id]);
  assert.deepEqual([data.has_more, data.total, data.total_relation], [false, 1, "exact"]);
  step("found it in the list");
}

// The WebP variants of the picture may change the product's version at any time. If they do, the update is repeated.
async function update(id: number): Promise<void> {
  const change = async () => {
    const { response } = await api.GET("/products/{id}", { params: { path: { id } } });
    const patch = { params: { path: { id }, header: { "If-Match": response.headers.get("ETag") ?? "" } }, body: { product_price: 39.9 } };
    return { patch, ...(await api.PATCH("/products/{id}", patch)) };
  };
  let changed = await change();
  for (let more = 5; more > 0 && changed.response.status === 412; more--) {
    changed = await change();
  }
  const { patch, data, error } = changed;
  assert.ok(data, error?.detail);
  assert.equal(data.data.product_price, 39.9);
  const late = await api.PATCH("/products/{id}", patch);
  assert.equal(late.response.status, 412);
  assert.equal(late.error?.code, "precondition_failed");
  assert.equal((await read(id)).product_price, 39.9);
  step("updated it; an update with the old ETag was refused");
}

async function describePicture(id: number, image: string): Promise<void> {
  const { data, error } = await api.PATCH("/products/{id}/images/{image}", { params: { path: { id, image } }, body: { alt: "A lamp" } });
  assert.ok(data, error?.detail);
  assert.equal(data.data.alt, "A lamp");
  step("described its picture");
}

// With a user's API key, user_id is optional and the routes of administrators are refused.
async function useKey(owner: number): Promise<void> {
  const made = await api.POST("/users/{id}/keys", { params: { path: { id: owner } }, body: { name: "walk", expires_in: 600 } });
  assert.ok(made.data, made.error?.detail);
  const headers = { Authorization: `Bearer ${made.data.data.key}` };
  const { data, error } = await api.POST("/products", { headers, body: { product_name: "Torch", product_price: 5 } });
  assert.ok(data, error?.detail);
  assert.equal(data.data.user_id, owner);
  const deadLetters = await api.GET("/admin/dead-letters", { headers });
  assert.equal(deadLetters.error?.code, "admin_only");
  step("created an API key and used it");
}

async function remove(id: number): Promise<void> {
  const { data, error } = await api.DELETE("/products/{id}", { params: { path: { id } } });
  assert.ok(data, error?.detail);
  const gone = await api.GET("/products/{id}", { params: { path: { id } } });
  assert.equal(gone.error?.code, "not_found");
  assert.equal(gone.error.type, "/docs/problems/not_found");
  step("deleted it; now it is not found");
}

async function mistake(): Promise<void> {
  // @ts-expect-error a name is a string, as the types say
  const { error, response } = await api.POST("/users", { body: { name: 7, email: "nobody" } });
  assert.equal(response.status, 422);
  assert.deepEqual(error?.errors?.map((fault) => fault.pointer), ["/name", "/email"]);
  step("an invalid request was refused by the types and by the service");
}

const owner = await createUser();
const product = await createProduct(owner);
await awaitPictures(product.id);
await list(owner, product.id);
await update(product.id);
await describePicture(product.id, product.images[0]?.id ?? "");
await useKey(owner);
await remove(product.id);
await mistake();
