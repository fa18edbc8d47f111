"""Names shared by every module: columns, splits, metrics. Defined once, here."""

# Columns of the request log (MovieLens' own names)
USER = "userId"
MOVIE = "movieId"
RATING = "rating"
TIMESTAMP = "timestamp"  # Unix seconds, UTC

# Columns of the movies and users tables
TITLE = "title"
GENRES = "genres"  # separated by "|", as MovieLens writes them
RELEASE_YEAR = "release_year"
OVERVIEW = "overview"
TAGLINE = "tagline"
AGE = "age"
GENDER = "gender"
OCCUPATION = "occupation"
ZIP = "zip"

# Columns of the panel: one row per movie and slot with at least one request
SLOT = "slot"  # start of the slot, UTC
REQUESTS = "requests"
POPULARITY = "popularity"  # share of the slot's requests
MEAN_RATING = "mean_rating"

# Columns of the small tables beside the panel
USERS = "users"  # users with a request in the slot
RETURNING = "returning"  # requests of users who made one in an earlier slot
WEEKDAY = "weekday"  # 1 is Monday
HOUR = "hour"  # 0-23, UTC

# Columns of predicted ratings and of the content-based recommender
PREDICTED = "predicted"
WEIGHTED_RATING = "weighted_rating"
CREDITS = "credits"  # words, one per person

# Protocols of the ranking models
SAMPLED = "leave_one_out_99"
FULL = "leave_one_out_full"

# Columns of results.csv: one row per number
RESULT_COLUMNS = (
    "notebook model prediction_type setting protocol split seed metric value"
).split()

CALENDAR_SLOTS = ("hour", "day", "week", "month", "quarter", "year")
SAMPLE = "sample"  # the data set that the project makes itself
OLDEST = 120  # years: the greatest age that a form takes
NO_GENRES = "(no genres listed)"  # MovieLens' own marker
