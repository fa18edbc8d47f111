"""Names and colours of the recommenders, the same in every notebook."""

COLORS = {
    # networks: the strong colours of Okabe and Ito's colour-blind safe palette (2008)
    "neural_cf": "#56B4E9",
    "neural_cf_tuned": "#0072B2",
    "next_movie_gru": "#D55E00",
    "next_movie_lstm": "#009E73",
    "recommendernet": "#CC79A7",
    "recommendernet_plus": "#882255",
    "wide_deep": "#E69F00",
    "wide_deep_plus": "#AA7700",
    # classical models: greys and muted tones
    "ease": "#000000",
    "ials": "#555555",
    "pure_svd": "#777777",
    "item_knn": "#999999",
    "top_pop": "#BBBBBB",
    "content": "#8C564B",
    "hybrid": "#B5A27F",
    "svdpp": "#332288",
    "bayesian_fm": "#117733",
    "svm": "#A6761D",
    "bias": "#AAAAAA",
}
LABELS = {
    "neural_cf": "Neural CF (seed 4)",
    "neural_cf_tuned": "Neural CF, tuned",
    "next_movie_gru": "Next movie, GRU",
    "next_movie_lstm": "Next movie, LSTM",
    "recommendernet": "RecommenderNet",
    "recommendernet_plus": "RecommenderNet with ids",
    "wide_deep": "Wide & Deep",
    "wide_deep_plus": "Wide & Deep with ids",
    "ease": "EASE",
    "ials": "iALS",
    "pure_svd": "PureSVD",
    "item_knn": "ItemKNN",
    "top_pop": "TopPop",
    "content": "Content (TF-IDF)",
    "hybrid": "Hybrid",
    "svdpp": "SVD++",
    "bayesian_fm": "Bayesian FM",
    "svm": "SVM",
    "bias": "Biases",
}
METRICS = {
    "hr_at_10": "HR@10",
    "ndcg_at_10": "NDCG@10",
    "full_hr_at_10": "HR@10, all",
    "full_ndcg_at_10": "NDCG@10, all",
    "fit_seconds": "fit (s)",
    "rmse": "RMSE",
    "mae": "MAE",
    "mse": "MSE",
}


def color(model: str) -> str:
    """Colour of a model."""
    return COLORS.get(model, "#AAAAAA")


def label(name: str) -> str:
    """Name of a model or metric as a reader sees it."""
    return LABELS.get(name, METRICS.get(name, name))
