# %% 1.1
def similarity(weights):
    rows = weights.flatten(1)
    rows = rows / rows.norm(dim=1, keepdim=True)
    return rows @ rows.T

# %% 1.2
def merge(producer, bias, consumer, clusters):
    k = int(clusters.max()) + 1
    one_hot = torch.nn.functional.one_hot(clusters, k).float()
    sizes = one_hot.sum(0)
    return (one_hot.T @ producer) / sizes[:, None], (one_hot.T @ bias) / sizes, consumer @ one_hot

# %% 1.3
def variance_of_mean(n, c):
    return (1 + (n - 1) * c) / n

# %% 1.4
def width_factor(sparsity):
    return (1 - sparsity) ** 0.5

# %% 1.5
best_method = max(scores, key=lambda name: sum(scores[name]))
average_loss = 100 * (accuracy(net) - sum(scores[best_method]) / 3)
